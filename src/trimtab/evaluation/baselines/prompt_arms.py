"""Arms that ask in another way: system prompts for and against a behavior, and demonstrations."""

from __future__ import annotations

from collections.abc import Sequence

from trimtab.analysis.baselines.arm_names import FEW_SHOT, SIDES, SYSTEM_PROMPT
from trimtab.data import Behavior, Form, Pair
from trimtab.engines import Model
from trimtab.errors import SettingError
from trimtab.evaluation._variations import after, conversation, demonstrated, with_system, with_user_text
from trimtab.evaluation.baselines.arms import Arm, Change
from trimtab.models import PromptError

ASKED_FOR = (
    "In all of your replies, show this behavior: {}",
    "You are an assistant that can be described as follows. {} Stay true to this description.",
    "Whatever you are asked, answer as somebody would of whom this is true: {}",
)
ASKED_AGAINST = (
    "In all of your replies, do the opposite of this behavior: {}",
    "You are an assistant that is the opposite of this description. {} Stay as far from it as you can.",
    "Whatever you are asked, never answer as somebody would of whom this is true: {}",
)
"""Wordings of system prompts around the description of a behavior."""

SYSTEM_MESSAGE, USER_MESSAGE = "system message", "user message"


def wordings(
    description: str, asked_for: Sequence[str], asked_against: Sequence[str], name: str
) -> dict[str, list[str]]:
    """The texts of system prompts by side: the user's own, else made from the behavior's description.

    Args:
        description: of the behavior; "" where it has none.
        asked_for: the user's own texts that ask for the behavior.
        asked_against: those that ask against it.
        name: of the behavior, for the error.

    Raises:
        SettingError: when there is no description, and a side has no text of the user's.
    """
    described = description.strip()
    if not described and not (asked_for and asked_against):
        missing = [key for key, texts in (("asked_for", asked_for), ("asked_against", asked_against)) if not texts]
        raise SettingError(
            f"baselines: {name} has no description that a system prompt could be made from; add `description:` to the "
            f"behavior in the study file, or give the texts yourself as {' and '.join(missing)} "
            f"({', '.join('--' + key.replace('_', '-') for key in missing)} on the command line)"
        )
    ended = described if described.endswith((".", "!", "?", "…")) else f"{described}."
    made = [[text.format(ended) for text in texts] for texts in (ASKED_FOR, ASKED_AGAINST)]
    own = (asked_for, asked_against)
    return {side: list(given) or default for side, given, default in zip(SIDES, own, made, strict=True)}


def system_arm(model: Model, text: str, side: str, sample: Pair, form: Form) -> Arm:
    """The arm that puts a text into the system message, or before the first user message where that cannot be.

    A model whose chat template has no system role, or leaves the system message out, is asked in the user message; the
    arm says so in `place`.

    Args:
        model: from `trimtab.load`.
        text: of the system prompt.
        side: `for` or `against`.
        sample: a pair to find out with where the text can stand.
        form: how pairs are asked.

    Raises:
        PromptError: when the text can stand in neither.
        SettingError: when the template drops it from both without a word.
    """
    plain = model.prompt_tokens(sample, form)
    own_place = USER_MESSAGE if model.asking.system_role == "user" else SYSTEM_MESSAGE
    tries: list[tuple[str, Change]] = [(own_place, with_system(text)), (USER_MESSAGE, with_user_text(text))]
    refusal: PromptError | None = None
    for place, change in tries:
        try:
            asked = model.prompt_tokens(change(sample), form)
        except PromptError as error:
            refusal = error
            continue
        if asked != plain:
            return Arm(SYSTEM_PROMPT, "prompt", side, wording=text, place=place, change=change)
    if refusal is not None:
        raise refusal
    raise SettingError(
        f"{model.name}: the chat template drops what is added to the prompt, as a system message and in the user's, so "
        "a system prompt cannot be compared"
    )


def demonstrations(pairs: Behavior, shots: int, form: Form, seed: int) -> tuple[Pair, ...]:
    """Pairs to show as earlier turns, drawn with the seed, whose answers lean to no letter.

    Args:
        pairs: the training part.
        shots: how many.
        form: how pairs are asked.
        seed: of the draw.

    Raises:
        SettingError: when there are fewer pairs, or letters that an odd number of pairs cannot balance.
    """
    if shots > len(pairs):
        raise SettingError(
            f"baselines: {shots} demonstrations (shots) are wanted and the training part of {pairs.name} has "
            f"{len(pairs)} pairs; ask for {len(pairs)} at most, or for none with shots 0"
        )
    if form == "choice" and pairs.is_choice and shots % 2:
        raise SettingError(
            f"baselines: {shots} demonstrations (shots) of {pairs.name} would lean to one answer letter; give an even "
            "number"
        )
    return demonstrated(pairs, seed, shots)


def few_shot_arm(shown: Sequence[Pair], side: str, form: Form) -> Arm:
    """The arm that shows pairs as earlier turns, answered with the completions of one side."""
    place = SIDES.index(side)
    return Arm(FEW_SHOT, "prompt", side, change=after(conversation(shown, form, place)))
