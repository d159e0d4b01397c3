"""AxBench's tables: outputs that show a concept, and outputs that do not, without pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trimtab.data.containers.row_problems import json_kind
from trimtab.data.contrasts import Example
from trimtab.data.formats.base import PairFormat, SideExample

OF_ALL = -1
"""The concept of the outputs that stand against every concept of a table for training."""


class AxBenchFormat(PairFormat):
    """An instruction, an output, and whether the output shows a concept (category)."""

    name = "axbench"
    title = "AxBench"
    keys = ("input", "output", "output_concept", "category", "concept_id")
    optional = ("concept_genre", "dataset_category", "sae_link", "sae_id")
    shape = "sets"
    skips_defects = True

    def matches(self, row: Mapping[str, Any]) -> bool:
        """Whether a row has a concept."""
        return "output_concept" in row or "concept_id" in row

    def select(self, rows: Sequence[Mapping[str, Any]], part: str) -> list[int] | str:
        """The rows of one concept and those that stand against it: its own negative ones, or all of its genre."""
        ids = sorted({number for row in rows if (number := _number(row)) is not None and number != OF_ALL})
        if not part and len(ids) != 1:
            shown = ", ".join(map(str, ids[:10])) + (", …" if len(ids) > 10 else "")
            return f"the table has {len(ids)} concepts ({shown}); name one behind the file, FILE#{ids[0] if ids else 0}"
        wanted = ids[0] if not part else int(part) if part.lstrip("-").isdigit() else None
        if wanted not in ids:
            return f"the table has no concept {part}; its concepts are {ids[0]} to {ids[-1]}" if ids else "no concepts"
        own = [index for index, row in enumerate(rows) if _number(row) == wanted]
        if any(_is_negative(rows[index]) for index in own):
            return own
        genres = {str(rows[index].get("concept_genre")) for index in own}
        against = [
            index
            for index, row in enumerate(rows)
            if _number(row) == OF_ALL and _is_negative(row) and str(row.get("concept_genre")) in genres
        ]
        return sorted([*own, *against])

    def notes(self, rows: Sequence[Mapping[str, Any]]) -> list[str]:
        """Which concept it is."""
        concepts = dict.fromkeys(str(row.get("output_concept")) for row in rows if not _is_negative(row))
        return [f"the concept: {concept}" for concept in list(concepts)[:1]]

    def parse(self, row: dict[str, Any], default_id: str) -> SideExample | list[str]:
        """The example of a row, or everything that is wrong with it."""
        faults = [f'the key "{key}" is missing' for key in self.keys if key not in row]
        faults += [
            f'"{key}" must be text, not {json_kind(row[key])}'
            for key in ("input", "output")
            if key in row and not (isinstance(row[key], str) and row[key].strip())
        ]
        if faults:
            return faults
        meta = {key: row[key] for key in ("output_concept", "concept_genre") if row.get(key) is not None}
        example = Example(default_id, row["input"], row["output"], self.meta_of(row) | meta)
        return SideExample("negative" if _is_negative(row) else "positive", example)


AXBENCH = AxBenchFormat()


def _number(row: Mapping[str, Any]) -> int | None:
    value = str(row.get("concept_id", "")).removesuffix(".0")
    return int(value) if value.lstrip("-").isdigit() else None


def _is_negative(row: Mapping[str, Any]) -> bool:
    return str(row.get("category", "")).endswith("negative")
