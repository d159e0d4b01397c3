"""What the suite finds, as the page docs/models.md."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import transformers

from families.builders import FAMILIES, WRAPPERS
from families.examine import Examined
from families.special import NOT_BUILT, VARIANTS
from vllm_families import CHANGES

PAGE = Path(__file__).parents[2] / "docs" / "models.md"
COMMAND = "python bench/models.py"
NAMES = (*FAMILIES, *VARIANTS, *WRAPPERS)

_HEAD = """# Models

trimtab runs any causal language model of transformers whose decoder layers it can find, and finds out for itself how
texts can share a pass without changing each other's numbers. This page says what that came to for **every causal
family of transformers {version}**, {families} of them, {variants} variants that published models use, and {wrappers}
families that see images, by text alone: {counts}.

Each family was built small, with random weights in float32, and with its windows, chunks and the context that its rope
is scaled from set shorter than the texts. Then the engine was compared with the slow, obvious way: one text a pass,
without a cache, without padding, one hook on one decoder layer. Compared were

- captured states of all layers, at the last token and at every token, of texts of uneven lengths;
- sweeps at the first, the middle and the last layer, raw and relative, at the positions `all` and `after_prompt`,
  scored by single tokens and by texts: in rows of 512 columns, one to a row, and alone;
- given texts that are steered at `generated` (the dose);
- replies, token by token, alone and of six requests side by side with different steering.

| result | what it means |
|---|---|
| exact | all of this agrees: logits within 1e-4 (above 10: within 1e-5 of them), states within 1e-4 of their norm |
| in part | some of it agrees, and the rest is refused |
| refused | trimtab says in words that it does not run this, as quoted |

*Rows*: how texts of 10 to 70 tokens share a pass. `packed`: many texts in one row, beginnings that they share run once.
`padded`: one text a row. `alone`: one text a pass, which is exact, but slower. Two words: short texts, then texts past
the length at which rope scales. Where this says `alone` because of a window or of a number of keys that is shorter than
the texts, texts shorter than it share a pass.

*vLLM*: `tested` where the tests compare a tiny model of the family on a real vLLM with the default engine. Of other
families nothing is claimed: the engine tries each model before it hands it over, and refuses it where a push is not
seen ([vLLM](vllm.md)).

A model that sees or hears beside reading is tried by text alone: its text decoder is found under it, and images are
refused by name. What models in memory, adapters, quantized weights and several devices come to is in
[Python and notebooks](python.md#models-in-memory-adapters-quantized).

Refused are, above all, families whose layers hand on several streams side by side (DeepSeek V4, Gemma 3n), where it is
not defined what a vector is taken from and added to; and models that run their layers in another way than once each.

What random weights cannot show is whether a checkpoint that brings its own code differs from its family; so trimtab
tries every model when it is loaded and first used. [Exactness](exactness.md) says how.

Made by `{command}`, which takes some minutes; `make test-slow` checks it.

| family | class | result | rows | vLLM | notes |
|---|---|---|---|---|---|
{rows}
"""


def updated(page: str, found: Iterable[Examined]) -> str:
    """The page with the rows of some families made again; whole where it is about another transformers."""
    kept = rows_on_page(page) if version_on_page(page) == transformers.__version__ else {}
    rows = {name: kept[name] for name in NAMES if name in kept}
    rows |= {name: f"| {name} | | not tried | | | {why} |" for name, why in NOT_BUILT.items()}
    rows |= {one.family: row_of(one) for one in found}
    results = [row.split("|")[3].strip() for row in rows.values()]
    by_number = sorted(dict.fromkeys(results), key=lambda result: -results.count(result))
    return _HEAD.format(
        version=transformers.__version__,
        families=len(FAMILIES),
        variants=len(VARIANTS),
        wrappers=len(WRAPPERS),
        counts=", ".join(f"{results.count(result)} {result}" for result in by_number),
        command=COMMAND,
        rows="\n".join(sorted(rows.values(), key=str.lower)),
    )


def result_of(found: Examined) -> str:
    """One word, or two, for a family."""
    if found.faults:
        return "WRONG"
    if not found.of("refused"):
        return "exact"
    return "in part" if found.of("exact") else "refused"


def row_of(found: Examined) -> str:
    """The family's line of the table."""
    by_words: dict[str, list[str]] = {}
    for outcome in found.of("refused"):
        by_words.setdefault(_sentence(outcome.words), []).append(outcome.check)
    refused = [
        words if checks == ["load"] else f"{', '.join(checks)} refused: {words}" for words, checks in by_words.items()
    ]
    notes = "; ".join([*found.warnings, *refused]).replace("|", r"\|")
    on_vllm = "tested" if found.family in CHANGES else ""
    return f"| {found.family} | {found.architecture} | {result_of(found)} | {found.mode} | {on_vllm} | {notes} |"


def rows_on_page(page: str) -> dict[str, str]:
    """Family → its line of the table."""
    lines = re.findall(r"^\| .* \|$", page, flags=re.MULTILINE)
    return {name: line for line in lines if (name := line.split("|")[1].strip()) in NAMES}


def version_on_page(page: str) -> str | None:
    """The version of transformers that the page is about; None for an empty page."""
    found = re.search(r"transformers ([\w.]+)\*\*", page)
    return None if found is None else found[1]


def _sentence(words: str) -> str:
    """The first sentence of a refusal, without the class of the error and the name of the model."""
    whole = re.sub(r"^\w+: (model '[^']*' \(\w+\): )?", "", " ".join(words.split()))
    return re.split(r"(?<=[a-z)])[.;] ", whole)[0]
