"""Contrasts that are made of parts: persona vectors' traits, and repeng's templates with personas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trimtab.data.containers.row_problems import json_kind
from trimtab.data.contrasts import PromptPair
from trimtab.data.formats.base import PairFormat
from trimtab.data.formats.native_contrasts import prompt_pair
from trimtab.data.pairs import Message

PERSONA = "{persona}"


class TraitFormat(PairFormat):
    """A trait: system prompts in twos, and the questions that are asked under each."""

    name = "trait"
    title = "persona vectors' traits"
    keys = ("instruction", "questions")
    optional = ("eval_prompt",)
    shape = "prompts"

    def is_complete(self, row: Mapping[str, Any]) -> bool:
        """Whether a row has both lists."""
        return all(isinstance(row.get(key), list) for key in self.keys)

    def matches(self, row: Mapping[str, Any]) -> bool:
        """Whether a row has a list of system prompts in twos, or one of questions."""
        return any(isinstance(row.get(key), list) for key in self.keys)

    def parse(self, row: dict[str, Any], default_id: str) -> tuple[PromptPair, ...] | list[str]:
        """Every question under both prompts of every couple."""
        faults = [f'the key "{key}" is missing' for key in self.keys if key not in row]
        couples = _couples(row.get("instruction", []), faults)
        questions = _texts(row, "questions", faults) if "questions" in row else []
        if faults:
            return faults
        return tuple(
            prompt_pair(f"s{i}q{j}", (_under(one, question), ""), (_under(other, question), ""))
            for i, (one, other) in enumerate(couples, start=1)
            for j, question in enumerate(questions, start=1)
        )

    def notes(self, rows: Sequence[Mapping[str, Any]]) -> list[str]:
        """That the judge's prompt is no part of the contrast."""
        notes = ["every question is asked under every pair of system prompts"]
        if any("eval_prompt" in row for row in rows):
            notes.append('"eval_prompt" is for a judge, and not read')
        return notes


class TemplatesFormat(PairFormat):
    """A template, positive and negative personas in twos, and texts that the reply begins with."""

    name = "templates"
    title = "templates with personas"
    keys = ("template", "positive_personas", "negative_personas")
    optional = ("suffix_list", "suffixes")
    shape = "prompts"

    def parse(self, row: dict[str, Any], default_id: str) -> tuple[PromptPair, ...] | list[str]:
        """The template with both personas of every couple, each before every text."""
        faults = [f'the key "{key}" is missing' for key in self.keys if key not in row]
        if faults:
            return faults
        template = row["template"]
        if not isinstance(template, str) or PERSONA not in template:
            faults.append(f'"template" must be text with {PERSONA} in it')
        positive, negative = (_texts(row, key, faults) for key in self.keys[1:])
        if len(positive) != len(negative):
            faults.append(f"{len(positive)} positive personas and {len(negative)} negative ones; they go in twos")
        given = [key for key in self.optional if key in row]
        suffixes = _texts(row, given[0], faults) if given else [""]
        if faults:
            return faults
        return tuple(
            prompt_pair(
                f"p{i}s{j}", (template.replace(PERSONA, one), suffix), (template.replace(PERSONA, other), suffix)
            )
            for i, (one, other) in enumerate(zip(positive, negative, strict=True), start=1)
            for j, suffix in enumerate(suffixes, start=1)
        )


TRAIT = TraitFormat()
TEMPLATES = TemplatesFormat()


def _couples(value: Any, faults: list[str]) -> list[tuple[str, str]]:
    found = []
    for number, couple in enumerate(value if isinstance(value, list) else [], start=1):
        one, other = (couple.get(key) if isinstance(couple, Mapping) else None for key in ("pos", "neg"))
        if isinstance(one, str) and isinstance(other, str) and one.strip() and other.strip():
            if one == other:
                faults.append(f'both texts of "instruction"[{number - 1}] are the same')
            found.append((one, other))
        else:
            faults.append(f'"instruction"[{number - 1}] must be {{"pos": text, "neg": text}}')
    if not found and not faults:
        faults.append('"instruction" is empty')
    return found


def _texts(row: Mapping[str, Any], key: str, faults: list[str]) -> list[str]:
    value = row[key]
    if not isinstance(value, list) or not value:
        faults.append(f'"{key}" must be a list of texts, not {json_kind(value) if value != [] else "an empty one"}')
        return []
    if any(not isinstance(text, str) or not text.strip() for text in value):
        faults.append(f'"{key}" must be a list of texts; one of them is none, or empty')
        return []
    return value


def _under(system: str, question: str) -> tuple[Message, ...]:
    return (Message(role="system", content=system), Message(role="user", content=question))
