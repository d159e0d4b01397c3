"""One line of the model-written-evals format (Perez et al. 2022): a question, which answers match a behavior.

The question carries its options, "(A) …" to as many as there are, or none where the answer is Yes or No.
trimtab lists options itself, so the prompt keeps only what stands above them. Of more than two options two
remain, in their order: the first that matches and the first that does not.
"""

from __future__ import annotations

import re
from typing import Any

from trimtab.data.containers.row_problems import json_kind
from trimtab.data.formats._inline_options import ALPHABET, split_options
from trimtab.data.formats.base import PairFormat
from trimtab.data.pairs import Pair

MATCHING = "answer_matching_behavior"
NOT_MATCHING = "answer_not_matching_behavior"
KEYS = ("question", MATCHING, NOT_MATCHING)

_LETTER = re.compile(r"\(?([A-Za-z])\)?[.:]?")


class EvalsFormat(PairFormat):
    """Model-written evals."""

    name = "evals"
    title = "model-written-evals"
    keys = KEYS
    skips_defects = True

    def parse(self, row: dict[str, Any], default_id: str) -> Pair | list[str]:
        """The pair of a row, or everything that is wrong with it."""
        return parse_eval(row, default_id)


EVALS = EvalsFormat()


def parse_eval(row: dict[str, Any], default_id: str) -> Pair | list[str]:
    """The pair that a line stands for, or everything that is wrong with the line."""
    faults = _type_faults(row)
    if faults:
        return faults
    stem, options = split_options(row["question"])
    matching, other = _answers(row[MATCHING]), _answers(row[NOT_MATCHING])
    meta = {key: value for key, value in row.items() if key not in KEYS and value is not None}
    if not options:
        return _yes_no_pair(default_id, stem, matching, other, meta)
    if "".join(options) != ALPHABET[: len(options)]:
        return [f"the options are lettered {', '.join(options)}; letter them A, B, … without gaps"]
    return _lettered_pair(default_id, stem, options, (matching, other), meta)


def _type_faults(row: dict[str, Any]) -> list[str]:
    faults = [f'the key "{key}" is missing' for key in KEYS if key not in row]
    if "question" in row:
        question = row["question"]
        if not isinstance(question, str):
            faults.append(f'"question" must be text, not {json_kind(question)}')
        elif not question.strip():
            faults.append('"question" is empty')
    for key in (MATCHING, NOT_MATCHING):
        if key in row and not _is_answer(row[key]):
            faults.append(f'"{key}" must be an answer such as " (A)" or a list of them')
    return faults


def _is_answer(value: Any) -> bool:
    answers = value if isinstance(value, list) else [value]
    return bool(answers) and all(isinstance(answer, str) and answer.strip() for answer in answers)


def _answers(value: str | list[str]) -> list[str]:
    return [answer.strip() for answer in (value if isinstance(value, list) else [value])]


def _yes_no_pair(
    name: str, prompt: str, matching: list[str], other: list[str], meta: dict[str, Any]
) -> Pair | list[str]:
    words = [answers[0].rstrip(".").capitalize() for answers in (matching, other)]
    if len(matching) > 1 or len(other) > 1 or not set(words) <= {"Yes", "No"}:
        return [
            "the question lists no options; put each on its own line, as (A) …, (B) …, or let the answers be Yes and No"
        ]
    if words[0] == words[1]:
        return [f"both answers are {words[0]}; one must match the behavior and one not"]
    return Pair(name, prompt, words[0], words[1], choices=("Yes", "No"), listed=False, meta=meta)


def _lettered_pair(
    name: str,
    prompt: str,
    options: dict[str, str],
    answers: tuple[list[str], list[str]],
    meta: dict[str, Any],
) -> Pair | list[str]:
    faults: list[str] = []
    letters = []
    for key, given in zip((MATCHING, NOT_MATCHING), answers, strict=True):
        found = [_letter(answer) for answer in given]
        faults += [
            f'"{key}" is {answer!r}, but the options are {", ".join(options)}; write the letter of one'
            for answer, letter in zip(given, found, strict=True)
            if letter not in options
        ]
        letters.append(found)
    both = sorted(set(letters[0]) & set(letters[1]) & set(options))
    if both:
        faults.append(f"({both[0]}) is said to match the behavior and not to match it; decide for one")
    faults += [f"option ({letter}) is empty" for letter, text in options.items() if not text]
    if faults:
        return faults
    positive, negative = (min(found) for found in letters)
    if options[positive] == options[negative]:
        return [f"the options ({positive}) and ({negative}) are equal; a pair needs two different ones"]
    kept = sorted((positive, negative))
    if len(options) > 2:
        meta = {**meta, "kept_options": "".join(kept)}
    choices = (options[kept[0]], options[kept[1]])
    return Pair(name, prompt, options[positive], options[negative], choices=choices, meta=meta)


def _letter(answer: str) -> str:
    match = _LETTER.fullmatch(answer)
    return match[1].upper() if match else ""
