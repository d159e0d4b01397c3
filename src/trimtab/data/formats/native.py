"""One line of `pairs.jsonl`: keys, types and meaning checked, then a Pair."""

from __future__ import annotations

from typing import Any

from trimtab._util.suggest import nearest_word
from trimtab.data.containers.row_problems import json_kind
from trimtab.data.formats._messages import SYSTEM_KEYS, read_prompt, with_system
from trimtab.data.formats.base import PairFormat, id_of
from trimtab.data.pairs import Pair

REQUIRED = ("prompt", "positive", "negative")
KEYS = (*REQUIRED, "choices", "listed", "system", "id", "meta")

# What other tools call the same thing; spelling alone would not find these.
SYNONYMS = {
    "question": "prompt", "instruction": "prompt", "input": "prompt", "text": "prompt", "messages": "prompt",
    "chosen": "positive", "pos": "positive", "rejected": "negative", "neg": "negative",
    "options": "choices", "metadata": "meta", "name": "id",
}  # fmt: skip
"""Keys of pairs by what others call them."""


class PairsFormat(PairFormat):
    """trimtab's own format, `pairs.jsonl`."""

    name = "pairs"
    title = "pairs.jsonl"
    keys = REQUIRED
    optional = ("choices", "listed", "id", "meta", *SYSTEM_KEYS)
    strict = True
    writes = True

    def parse(self, row: dict[str, Any], default_id: str) -> Pair | list[str]:
        """The pair of a row, or everything that is wrong with it."""
        return parse_pair(row, default_id)

    def dump(self, pair: Pair) -> dict[str, Any]:
        """The row of a pair."""
        return pair.to_json()


PAIRS = PairsFormat()


def parse_pair(row: dict[str, Any], default_id: str) -> Pair | list[str]:
    """The pair that a line stands for, or everything that is wrong with the line."""
    row = {key: value for key, value in row.items() if value is not None or key in REQUIRED}
    name = id_of(row, default_id)
    prompt = _prompt(row)
    faults = [
        *unknown_keys(row, (*REQUIRED, "choices", "listed", "id", "meta"), SYNONYMS, REQUIRED),
        *(prompt if isinstance(prompt, list) else ()),
        *_completion_faults(row),
        *_choice_faults(row),
        *_other_faults(row),
        *(name if isinstance(name, list) else ()),
    ]
    if isinstance(prompt, tuple) and prompt[-1]["role"] == "assistant" and "choices" in row:
        faults.append("a choice pair lists its options behind the question, so its prompt cannot end in a begun answer")
    if faults or isinstance(prompt, list) or isinstance(name, list):
        return faults
    return Pair(
        id=name,
        prompt=prompt,
        positive=row["positive"],
        negative=row["negative"],
        choices=tuple(row.get("choices", ())),
        listed=row.get("listed", True),
        meta=row.get("meta", {}),
    )


def _prompt(row: dict[str, Any]) -> Any:
    if "prompt" not in row:
        return ""  # reported as missing
    prompt = read_prompt(row["prompt"])
    return prompt if isinstance(prompt, list) else with_system(row, prompt)


def unknown_keys(
    row: dict[str, Any], keys: tuple[str, ...], synonyms: dict[str, str], required: tuple[str, ...]
) -> list[str]:
    """Keys of a row that mean nothing, each with the intended one, and those that are missing.

    Args:
        row: the row.
        keys: those that mean something, beside those of a system prompt.
        synonyms: keys by what others call them.
        required: those that every row has.
    """
    faults = []
    meant = set()
    for key in row:
        if key in keys or key in SYSTEM_KEYS:
            continue
        right = synonyms.get(key.casefold(), nearest_word(key, keys))
        meant.add(right)
        hint = f'did you mean "{right}"?' if right else f"the keys are {', '.join(keys)}"
        faults.append(f'unknown key "{key}"; {hint} (anything else belongs into "meta")')
    # A misspelt key is one problem, not two.
    missing = [key for key in required if key not in row and key not in meant]
    return faults + [f'the key "{key}" is missing' for key in missing]


def _completion_faults(row: dict[str, Any]) -> list[str]:
    faults = []
    for key in ("positive", "negative"):
        if key not in row:
            continue
        if not isinstance(row[key], str):
            faults.append(f'"{key}" must be text, not {json_kind(row[key])}')
        elif not row[key].strip():
            faults.append(f'"{key}" is empty')
    texts = [row[key].strip() for key in ("positive", "negative") if key in row and not faults]
    if len(texts) == 2 and texts[0] == texts[1]:
        faults.append('"positive" and "negative" are equal; a pair needs two different completions')
    return faults


def _choice_faults(row: dict[str, Any]) -> list[str]:
    if "choices" not in row:
        return ['"listed" needs "choices"; add the two options or drop it'] if "listed" in row else []
    choices = row["choices"]
    if not isinstance(choices, list) or not all(isinstance(option, str) for option in choices):
        return ['"choices" must be a list of two texts']
    if len(choices) != 2:
        return [f'"choices" holds {len(choices)}; give exactly two, the positive and the negative']
    if choices[0].strip() == choices[1].strip():
        return ['the two "choices" are equal']
    return [
        f'"{key}" is not one of the "choices"{_nearly(row[key], choices)}; repeat one letter by letter'
        for key in ("positive", "negative")
        if isinstance(row.get(key), str) and row[key].strip() and row[key] not in choices
    ]


def _nearly(text: str, choices: list[str]) -> str:
    plain = text.strip().casefold()
    same = any(plain == option.strip().casefold() for option in choices)
    return " (only spaces or capitals differ)" if same else ""


def _other_faults(row: dict[str, Any]) -> list[str]:
    faults = []
    if "listed" in row and not isinstance(row["listed"], bool):
        faults.append(f'"listed" must be true or false, not {json_kind(row["listed"])}')
    if "meta" in row and not isinstance(row["meta"], dict):
        faults.append(f'"meta" must be an object, not {json_kind(row["meta"])}')
    return faults
