"""The record beside a growing file of pairs: the request, rejected drafts, prompts not to repeat."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError

from trimtab._util.atomic_files import write_whole
from trimtab.errors import RunError, SettingError
from trimtab.generation.checks.surface_features import FaultCounts
from trimtab.generation.request import Kind, PairRequest
from trimtab.inputs.bounded_files import MIB, FileKind, exists
from trimtab.inputs.json_text import read_json

_NOTES_FILE = FileKind("file of notes", 100 * MIB, RunError, "move it and its pairs away, or give another with -o")


class _RecordFile(BaseModel):
    """The fields of the file."""

    model_config = ConfigDict(strict=True, extra="forbid")

    instruction: str
    opposite: str
    kind: Kind
    writers: list[str]
    batches: NonNegativeInt
    situations: NonNegativeInt
    drafts: NonNegativeInt
    dropped: dict[str, NonNegativeInt]
    habits: dict[str, NonNegativeInt]
    struck: list[str]


@dataclass
class PairRecord:
    """The record `NAME.generation.json` beside `NAME.jsonl`."""

    path: Path
    instruction: str
    opposite: str
    kind: Kind
    writers: list[str] = field(default_factory=list)
    batches: int = 0
    situations: int = 0
    """Used so far."""
    dropped: Counter[str] = field(default_factory=Counter)
    """Rejected drafts, by reason."""
    fault_counts: FaultCounts = field(default_factory=FaultCounts)
    struck: list[str] = field(default_factory=list)
    """Prompts of pairs that a reviewer removed: they are not generated again."""

    @classmethod
    def new(cls, pairs: Path, request: PairRequest) -> PairRecord:
        """The record of pairs that are yet to be generated."""
        return cls(record_path(pairs), request.instruction, request.opposite, request.kind)

    @classmethod
    def open(cls, pairs: Path, request: PairRequest) -> PairRecord:
        """The record of a file of pairs, a new one where there is no such file.

        Raises:
            RunError: when the file holds pairs for something else, or its notes are missing or damaged.
            SettingError: when its name does not end in .jsonl.
        """
        if pairs.suffix != ".jsonl":
            raise SettingError(f"{pairs}: pairs are kept in a file whose name ends in .jsonl")
        found = cls.read(pairs)
        if found is None:
            if pairs.exists():
                raise RunError(
                    f"{pairs}: is there already and was not written by `trimtab pairs generate`; "
                    "name another file with -o, and give this one with --examples to show what is meant"
                )
            return cls.new(pairs, request)
        if not pairs.exists() and found.instruction != request.instruction:
            return cls.new(pairs, request)  # left over: the pairs are gone
        for name, was, now in (
            ("behavior", found.instruction, request.instruction),
            ("opposite", found.opposite, request.opposite),
            ("kind of pairs", found.kind, request.kind),
        ):
            if was != now:
                raise RunError(f"{pairs}: holds pairs whose {name} is {was!r}, not {now!r}; name another file with -o")
        return found

    @classmethod
    def read(cls, pairs: Path) -> PairRecord | None:
        """The record of a file of pairs, None where there is none.

        Raises:
            RunError: When it is damaged.
        """
        path = record_path(pairs)
        if not exists(path) and not path.is_symlink():
            return None
        try:
            found = _RecordFile.model_validate(read_json(path, _NOTES_FILE))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the file"
            raise _NOTES_FILE.fault(path, f"the notes of {pairs.name} are damaged ({where}: {first['msg']})") from None
        return cls(
            path,
            found.instruction,
            found.opposite,
            found.kind,
            found.writers,
            found.batches,
            found.situations,
            Counter(found.dropped),
            FaultCounts(found.drafts, Counter(found.habits)),
            found.struck,
        )

    def save(self) -> None:
        """Write the file, atomically.

        Raises:
            RunError: When it cannot be written.
        """
        content = {
            "instruction": self.instruction,
            "opposite": self.opposite,
            "kind": self.kind,
            "writers": self.writers,
            "batches": self.batches,
            "situations": self.situations,
            "drafts": self.fault_counts.drafts,
            "dropped": dict(self.dropped.most_common()),
            "habits": dict(self.fault_counts.counts),
            "struck": self.struck,
        }
        write_whole(self.path, json.dumps(content, ensure_ascii=False, indent=1) + "\n", what="the notes")

    def exclude(self, prompts: Iterable[str]) -> None:
        """Add prompts that are not to be generated again."""
        self.struck += [prompt for prompt in dict.fromkeys(prompts) if prompt not in self.struck]


def record_path(pairs: Path) -> Path:
    """The path of the record of a file of pairs."""
    return pairs.with_name(f"{pairs.stem}.generation.json")
