"""One line of a contrast that is none between two completions: two prompts, or one example of one of two lists."""

from __future__ import annotations

from typing import Any, cast

from trimtab.data.containers.row_problems import json_kind
from trimtab.data.contrasts import Example, PromptPair
from trimtab.data.formats._messages import read_prompt
from trimtab.data.formats.base import PairFormat, SideExample, id_of
from trimtab.data.formats.native import unknown_keys
from trimtab.data.pairs import Message

SIDES = ("positive", "negative")
COMPLETIONS = ("completion", "positive_completion", "negative_completion")


def prompt_pair(
    id: str, positive: tuple[Any, str], negative: tuple[Any, str], meta: dict[str, Any] | None = None
) -> PromptPair:
    """A pair of (prompt, completion); of raw text the prompt is ""."""
    return PromptPair(
        id, *(Example(f"{id}{sign}", *side, meta=meta or {}) for sign, side in (("+", positive), ("-", negative)))
    )


class PromptPairsFormat(PairFormat):
    """trimtab's own format of contrasts between prompts."""

    name = "prompts"
    title = "prompts.jsonl"
    keys = ("positive_prompt", "negative_prompt")
    optional = (*COMPLETIONS, "positive_text", "negative_text", "id", "meta")
    shape = "prompts"
    strict = True
    writes = True

    def matches(self, row: Any) -> bool:
        """Whether a row has one of the keys, or one of those of raw texts."""
        return any(key in row for key in (*self.keys, "positive_text", "negative_text"))

    def is_complete(self, row: Any) -> bool:
        """Whether a row has two prompts, or two raw texts."""
        return super().is_complete(row) or {"positive_text", "negative_text"} <= set(row)

    def parse(self, row: dict[str, Any], default_id: str) -> PromptPair | list[str]:
        """The pair of prompts of a row, or everything that is wrong with it."""
        row = {key: value for key, value in row.items() if value is not None}
        raw = "positive_text" in row or "negative_text" in row
        required = ("positive_text", "negative_text") if raw else self.keys
        known = (*required, "id", "meta") if raw else (*self.keys, *COMPLETIONS, "id", "meta")
        faults = unknown_keys(row, known, {}, required)
        sides = [self._side(row, side, raw, faults) for side in SIDES]
        name = id_of(row, default_id)
        faults += name if isinstance(name, list) else ()
        if "completion" in row and len(row.keys() & set(COMPLETIONS)) > 1:
            faults.append('"completion" is the same on both sides; give it, or the completions of both')
        if not faults and sides[0] == sides[1]:
            faults.append("both sides are the same; they must differ in the prompt")
        faults += _meta_faults(row)
        if faults:
            return faults
        return prompt_pair(str(name), sides[0], sides[1], row.get("meta"))

    def _side(self, row: dict[str, Any], side: str, raw: bool, faults: list[str]) -> tuple[Any, str]:
        if raw:
            return "", _text(row, f"{side}_text", faults)
        key = f"{side}_completion" if f"{side}_completion" in row else "completion"
        one_sided = f"{side}_completion" not in row and any(f"{other}_completion" in row for other in SIDES)
        if one_sided and "completion" not in row:
            faults.append(f'the key "{side}_completion" is missing; both sides have one, or none')
        completion = _text(row, key, faults) if key in row else ""
        if f"{side}_prompt" not in row:
            return "", completion
        prompt = read_prompt(row[f"{side}_prompt"], f"{side}_prompt")
        if isinstance(prompt, list):
            faults += prompt
            return "", completion
        return prompt, completion

    def dump(self, item: PromptPair) -> dict[str, Any]:
        """The row of a pair of prompts."""
        row: dict[str, Any] = {"id": item.id}
        for side in SIDES:
            example: Example = getattr(item, side)
            if example.is_raw:
                row[f"{side}_text"] = example.completion
                continue
            row[f"{side}_prompt"] = _written(example.prompt)
            if example.completion:
                row[f"{side}_completion"] = example.completion
        if item.positive.meta:
            row["meta"] = dict(item.positive.meta)
        return row


class SidesFormat(PairFormat):
    """trimtab's own format of two lists without pairs, one example a line."""

    name = "sides"
    title = "sides.jsonl"
    keys = ("side",)
    optional = ("prompt", "completion", "text", "id", "meta")
    shape = "sets"
    strict = True
    writes = True

    def parse(self, row: dict[str, Any], default_id: str) -> SideExample | list[str]:
        """The example of a row, or everything that is wrong with it."""
        row = {key: value for key, value in row.items() if value is not None}
        faults = unknown_keys(row, self.known_keys(), {}, self.keys)
        if "side" in row and row["side"] not in SIDES:
            faults.append(f'"side" is {row["side"]!r}; it is positive or negative')
        if ("text" in row) == ("prompt" in row) and not faults:
            faults.append('give "prompt", and perhaps "completion", or for raw text "text"')
        if "text" in row and "completion" in row:
            faults.append('raw text ("text") has no completion')
        key = "text" if "text" in row else "completion"
        completion = _text(row, key, faults) if key in row else ""
        prompt = read_prompt(row["prompt"]) if "prompt" in row else ""
        name = id_of(row, default_id)
        faults += [*(prompt if isinstance(prompt, list) else ()), *(name if isinstance(name, list) else ())]
        faults += _meta_faults(row)
        if faults or isinstance(prompt, list):
            return faults
        return SideExample(row["side"], Example(str(name), prompt, completion, row.get("meta", {})))

    def dump(self, item: SideExample) -> dict[str, Any]:
        """The row of an example."""
        example = item.example
        row: dict[str, Any] = {"id": example.id, "side": item.side}
        if example.is_raw:
            row["text"] = example.completion
        else:
            row["prompt"] = _written(example.prompt)
            if example.completion:
                row["completion"] = example.completion
        return row | ({"meta": dict(example.meta)} if example.meta else {})


PROMPT_PAIRS = PromptPairsFormat()
SIDES_FORMAT = SidesFormat()


def _text(row: dict[str, Any], key: str, faults: list[str]) -> str:
    value = row.get(key, "")
    if key not in row:
        return ""
    if not isinstance(value, str):
        faults.append(f'"{key}" must be text, not {json_kind(value)}')
        return ""
    if not value.strip():
        faults.append(f'"{key}" is empty')
    return value


def _meta_faults(row: dict[str, Any]) -> list[str]:
    meta = row.get("meta", {})
    return [] if isinstance(meta, dict) else [f'"meta" must be an object, not {json_kind(meta)}']


def _written(prompt: str | tuple[Message, ...]) -> str | list[dict[str, str]]:
    return prompt if isinstance(prompt, str) else [cast("dict[str, str]", dict(message)) for message in prompt]
