"""How pushes are worded in a methods paragraph: what was added, and at which tokens."""

from __future__ import annotations

from trimtab.report.paper._markup import Formula, Part, cite

SCALES: dict[str, tuple[Part, ...]] = {
    "raw": (Formula(r"h + \alpha v"),),
    "relative": (Formula(r"h + \alpha \lVert h \rVert v / \lVert v \rVert"), ", token by token"),
    "rotate": ("a rotation of ", Formula("h"), " toward ", Formula("v"), " that keeps its norm"),
    "project_out": (
        "h minus the share ", Formula(r"\alpha"), " of its projection on ", Formula("v"), cite("arditi2024refusal"),
    ),
    "clamp": ("its projection on ", Formula(r"v / \lVert v \rVert"), " set to ", Formula(r"\alpha \lVert v \rVert")),
    "cap": (
        "its projection on ", Formula(r"v / \lVert v \rVert"), " lowered to ", Formula(r"\alpha \lVert v \rVert"),
        " where it was higher", cite("lu2026axis"),
    ),
    "floor": (
        "its projection on ", Formula(r"v / \lVert v \rVert"), " raised to ", Formula(r"\alpha \lVert v \rVert"),
        " where it was lower", cite("lu2026axis"),
    ),
    "affine": (
        "its projection on ", Formula(r"v / \lVert v \rVert"), " set to that of the negative side's mean state plus ",
        Formula(r"\alpha \lVert v \rVert"), cite("marshall2024affine"),
    ),
    "transport": (
        "each neuron moved by the share ", Formula(r"\alpha"), " of the way along the affine map from the negative "
        "side's values to the positive side's", cite("rodriguez2024controlling"),
    ),
    "kl": (
        Formula(r"h + \beta v"), " with ", Formula(r"\beta"), " such that the next-token distribution on neutral "
        "prompts diverges by ", Formula(r"|\alpha|"), " nats",
    ),
}  # fmt: skip
SCALES |= {
    f"{name}_percentile": ("its projection on ", Formula(r"v / \lVert v \rVert"), f" {how} to a percentile of the "
                           "projections that the training part has in that layer", *where)
    for name, how, where in (
        ("cap", "lowered", (" where it was higher", cite("lu2026axis"))),
        ("floor", "raised", (" where it was lower", cite("lu2026axis"))),
        ("clamp", "set", ()),
    )
}  # fmt: skip
POSITIONS = {
    "all": "at all tokens",
    "after_prompt": "from the last token of the prompt on",
    "prompt": "at the tokens of the prompt",
    "generated": "at generated tokens",
    "thinking": "at the tokens that predict the model's thinking",
    "response": "at the tokens that predict the reply behind the model's thinking",
}
_FORMS = {
    "first": "at the tokens that predict the first {} tokens of the reply",
    "after": "at the tokens that predict the reply behind its first {} tokens",
    "tokens": "at the tokens {} (counted from 0; negative ones from the end of the prompt)",
}


def where_pushed(positions: str) -> str:
    """Positions in words."""
    kind, _, numbers = positions.partition(":")
    if numbers and kind in _FORMS:
        return _FORMS[kind].format(numbers.replace(",", ", "))
    return POSITIONS.get(positions, f"at the positions “{positions}”")
