"""Questions without answers, and lines of text: one list, which contrasts nothing until there is another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trimtab.data.formats._messages import SYSTEM_KEYS, read_prompt, with_system
from trimtab.data.formats.base import OpenQuestion, PairFormat, id_of

ASKING = ("question", "prompt", "instruction", "text", "goal")
INCIDENTAL = frozenset(
    ("id", "meta", "category", "subcategory", "source", "type", "topic", "dataset", "behavior", "index", "idx", "tags",
     "semantic_category", "functional_category", "target", "label")
)  # fmt: skip
"""Keys beside a question that answer nothing; any other may be a misspelled answer."""


class QuestionsFormat(PairFormat):
    """Questions, requests or texts without answers: one item a row."""

    name = "questions"
    title = "questions or texts without answers"
    keys = ("question",)
    optional = ("prompt", "instruction", "text", "goal", *SYSTEM_KEYS, "id")
    shape = "questions"

    def is_complete(self, row: Mapping[str, Any]) -> bool:
        """Whether a row asks and holds nothing that answers."""
        asks = [key for key in ASKING if row.get(key) not in (None, "")]
        others = {key for key, value in row.items() if value not in (None, "", [])} - {*asks, *SYSTEM_KEYS}
        return len(asks) == 1 and others <= INCIDENTAL

    def matches(self, row: Mapping[str, Any]) -> bool:
        """Whether a row asks; less than that is no sign of this format."""
        return self.is_complete(row)

    def parse(self, row: dict[str, Any], default_id: str) -> OpenQuestion | list[str]:
        """The question of a row, or everything that is wrong with it."""
        key = next((key for key in ASKING if row.get(key) not in (None, "")), "")
        if not key:
            return ['the key "question" is missing']
        prompt = read_prompt(row[key], key)
        prompt = prompt if isinstance(prompt, list) else with_system(row, prompt)
        name = id_of(row, default_id)
        if isinstance(prompt, list) or isinstance(name, list):
            return [*(prompt if isinstance(prompt, list) else ()), *(name if isinstance(name, list) else ())]
        meta = {key: value for key, value in self.meta_of(row).items() if value not in ("", [])}
        return OpenQuestion(name, prompt, meta)


QUESTIONS = QuestionsFormat()
