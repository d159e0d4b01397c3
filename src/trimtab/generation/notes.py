"""What is remembered beside a file of pairs while it grows: what it is for, what was dropped, what was struck."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trimtab.data.formats import write_whole
from trimtab.errors import RunError, SettingError
from trimtab.generation.habits import Habits
from trimtab.generation.wanted import Kind, Wanted


@dataclass
class Notes:
    """The file `NAME.generation.json` beside `NAME.jsonl`."""

    path: Path
    instruction: str
    opposite: str
    kind: Kind
    writers: list[str] = field(default_factory=list)
    batches: int = 0
    situations: int = 0
    """Handed out so far."""
    dropped: Counter[str] = field(default_factory=Counter)
    """How many drafts were dropped, by the reason."""
    habits: Habits = field(default_factory=Habits)
    struck: list[str] = field(default_factory=list)
    """Prompts of pairs that a person struck out: they are not written again."""

    @classmethod
    def new(cls, pairs: Path, wanted: Wanted) -> Notes:
        """Notes of pairs that are yet to be written."""
        return cls(notes_path(pairs), wanted.instruction, wanted.opposite, wanted.kind)

    @classmethod
    def open(cls, pairs: Path, wanted: Wanted) -> Notes:
        """The notes of a file of pairs, new ones where there is no such file.

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
            return cls.new(pairs, wanted)
        if not pairs.exists() and found.instruction != wanted.instruction:
            return cls.new(pairs, wanted)  # left over: the pairs are gone
        for name, was, now in (
            ("behavior", found.instruction, wanted.instruction),
            ("opposite", found.opposite, wanted.opposite),
            ("kind of pairs", found.kind, wanted.kind),
        ):
            if was != now:
                raise RunError(f"{pairs}: holds pairs whose {name} is {was!r}, not {now!r}; name another file with -o")
        return found

    @classmethod
    def read(cls, pairs: Path) -> Notes | None:
        """The notes of a file of pairs, None where there are none.

        Raises:
            RunError: when they are damaged.
        """
        path = notes_path(pairs)
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            return cls(
                path,
                _text(found["instruction"]),
                _text(found["opposite"]),
                found["kind"],
                [str(name) for name in found["writers"]],
                int(found["batches"]),
                int(found["situations"]),
                _counts(found["dropped"]),
                Habits(int(found["drafts"]), _counts(found["habits"])),
                [str(prompt) for prompt in found["struck"]],
            )
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise RunError(
                f"{path}: the notes of {pairs.name} cannot be read ({type(error).__name__}: {error}); "
                "move both files away, or give another one with -o"
            ) from error

    def save(self) -> None:
        """Write them; the file is there whole at any moment."""
        content = {
            "instruction": self.instruction,
            "opposite": self.opposite,
            "kind": self.kind,
            "writers": self.writers,
            "batches": self.batches,
            "situations": self.situations,
            "drafts": self.habits.drafts,
            "dropped": dict(self.dropped.most_common()),
            "habits": dict(self.habits.counts),
            "struck": self.struck,
        }
        write_whole(self.path, json.dumps(content, ensure_ascii=False, indent=1) + "\n")

    def strike(self, prompts: Iterable[str]) -> None:
        """Note prompts that are not wanted again."""
        self.struck += [prompt for prompt in dict.fromkeys(prompts) if prompt not in self.struck]


def notes_path(pairs: Path) -> Path:
    """Where the notes of a file of pairs are."""
    return pairs.with_name(f"{pairs.stem}.generation.json")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")
    return value


def _counts(found: dict[str, Any]) -> Counter[str]:
    return Counter({str(key): int(count) for key, count in found.items()})
