"""Questions with right and wrong answers: TruthfulQA in its layouts, and the A/B tables made from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trimtab.data.containers.row_problems import json_kind
from trimtab.data.formats.base import PairFormat, id_of
from trimtab.data.pairs import Pair

BEST = ("best_answer", "correct_answers")
WORST = ("best_incorrect_answer", "incorrect_answers")
TARGETS = "mc1_targets"


class TruthfulFormat(PairFormat):
    """TruthfulQA: a question, its best answer, and incorrect ones."""

    name = "truthfulqa"
    title = "TruthfulQA"
    keys = ("question", "best_answer", "incorrect_answers")
    optional = ("correct_answers", "best_incorrect_answer", TARGETS, "mc2_targets", "id")
    skips_defects = True

    def matches(self, row: Mapping[str, Any]) -> bool:
        """Whether a row has answers that are right or wrong."""
        return any(key in row for key in (*BEST, *WORST, TARGETS))

    def is_complete(self, row: Mapping[str, Any]) -> bool:
        """Whether a row has a question with answers of both kinds."""
        both = any(key in row for key in BEST) and any(key in row for key in WORST)
        return "question" in row and (both or TARGETS in row)

    def parse(self, row: dict[str, Any], default_id: str) -> Pair | list[str]:
        """The pair of a question: the best answer, and the best incorrect one, or the first."""
        question = row.get("question")
        faults = (
            [f'the key "{key}" is missing' for key in self.keys if key not in row] if not self.is_complete(row) else []
        )
        if not faults and (not isinstance(question, str) or not question.strip()):
            faults = [f'"question" must be text, not {json_kind(question)}']
        if faults:
            return faults
        right, wrong = _answers(row)
        name = id_of(row, default_id)
        if not right or not wrong:
            faults = [f"the question has no {'right' if not right else 'wrong'} answer"]
        elif right[0] == wrong[0]:
            faults = ["the right answer is the wrong one, too"]
        if faults or isinstance(name, list):
            return faults + (name if isinstance(name, list) else [])
        meta = self.meta_of(row)
        others = {"correct_answers": right[1:], "incorrect_answers": wrong[1:]}
        return Pair(name, str(question), right[0], wrong[0], meta=meta | {k: v for k, v in others.items() if v})

    def notes(self, rows: Sequence[Mapping[str, Any]]) -> list[str]:
        """That each question gives one pair, however many answers it has."""
        unused = sum(max(0, len(side) - 1) for row in rows for side in _answers(row))
        if not unused:
            return []
        return [
            "each question is one pair: its best answer, and the best incorrect one, or else the first; "
            f"{unused} other answers are in the pairs' meta"
        ]


class MarkedAnswersFormat(PairFormat):
    """A prompt, a correct and an incorrect answer, as the tables of contrastive activation addition have them."""

    name = "correct-incorrect"
    title = "correct and incorrect answers"
    keys = ("prompt", "correct", "incorrect")
    optional = ("id",)
    skips_defects = True

    def parse(self, row: dict[str, Any], default_id: str) -> Pair | list[str]:
        """The pair of a row, or everything that is wrong with it."""
        faults = [f'the key "{key}" is missing' for key in self.keys if key not in row]
        faults += [
            f'"{key}" must be text, not {json_kind(row[key])}'
            for key in self.keys
            if key in row and not (isinstance(row[key], str) and row[key].strip())
        ]
        name = id_of(row, default_id)
        if not faults and row["correct"].strip() == row["incorrect"].strip():
            faults = ["the correct answer is the incorrect one, too"]
        if faults or isinstance(name, list):
            return faults + (name if isinstance(name, list) else [])
        return Pair(name, row["prompt"], row["correct"], row["incorrect"], meta=self.meta_of(row))


TRUTHFUL = TruthfulFormat()
MARKED_ANSWERS = MarkedAnswersFormat()


def _answers(row: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The right and the wrong answers, each the best first."""
    if TARGETS in row and not any(key in row for key in BEST):
        targets = row[TARGETS] if isinstance(row[TARGETS], Mapping) else {}
        labelled = list(targets.items())  # the first release: {answer: 0 or 1}
        if isinstance(targets.get("choices"), list) and isinstance(targets.get("labels"), list):
            labelled = list(zip(targets["choices"], targets["labels"], strict=False))
        marked = [(str(text), bool(label)) for text, label in labelled]
        return [text for text, is_right in marked if is_right], [text for text, is_right in marked if not is_right]
    right, wrong = ([text for key in keys for text in _texts(row.get(key))] for keys in (BEST, WORST))
    return list(dict.fromkeys(right)), list(dict.fromkeys(wrong))


def _texts(value: Any) -> list[str]:
    """Answers: a list of them, or one text with semicolons between them as the published table has it."""
    if isinstance(value, str):
        return [text.strip() for text in value.split(";") if text.strip()]
    return [str(text).strip() for text in value if str(text).strip()] if isinstance(value, list) else []
