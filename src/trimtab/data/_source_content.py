"""What stands behind the name of a source: one file, or two of which each is one side of a contrast."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from trimtab._util.suggest import nearest_words
from trimtab.data._hub_files import HUB, HubReference, hub_files
from trimtab.data.builtin import BUILT_INS, LOADABLE
from trimtab.data.contrasts import AnyContrast, Example, SetContrast
from trimtab.data.formats.base import OpenQuestion
from trimtab.data.formats.files import FileContent, Reading, describe, make_contrast, parse_file, parse_parts
from trimtab.data.formats.published.sides import as_sides
from trimtab.errors import DataError
from trimtab.inputs.bounded_files import exists

VERSUS = " vs "
PART = "#"
ENDINGS = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".txt", ".jsonl.gz", ".json.gz", ".csv.gz")


@dataclass(frozen=True)
class SourceContent:
    """What one source holds."""

    name: str
    """Of the behavior."""
    files: tuple[FileContent, ...]
    """One, or the positive and the negative side."""
    raw: bool | None = None
    """Whether texts go to the model as they are; None: found out from the texts."""

    def problems(self) -> list[str]:
        """Everything that is wrong with the files."""
        return [problem for file in self.files for problem in file.problems.texts()]

    def notes(self) -> list[str]:
        """What was done with the rows as written."""
        notes = [note for file in self.files for note in file.notes]
        if len(self.files) == 2:
            _, _, raw = self._sides()
            how = "raw text, which no chat template touches" if raw else "prompts, which go through the chat template"
            notes.append(f"the texts are {how}")
        return notes

    def contrast(self) -> AnyContrast:
        """The contrast.

        Raises:
            DataError: for problems of the files, and where they hold none.
        """
        if problems := self.problems():
            raise DataError(problems)
        if len(self.files) == 1:
            return make_contrast(self.name, self.files[0])
        positive, negative, _ = self._sides()
        left_out = tuple(line for file in self.files for line in file.left_out)
        return SetContrast(self.name, positive, negative, left_out=left_out)

    def _sides(self) -> tuple[tuple[Example, ...], tuple[Example, ...], bool]:
        positive, negative = map(_questions, self.files)
        return as_sides(positive, negative, self.raw)


def _questions(file: FileContent) -> list[OpenQuestion]:
    found = [item for item in file.items if isinstance(item, OpenQuestion)]
    if len(found) < len(file.items):
        raise DataError(
            f"{file.problems.path}: {describe(file)}: a contrast of its own; a side of a contrast between two files "
            "is a list of texts or questions"
        )
    return found


def read_source(
    name: str, negative: str = "", *, offline: bool = False, reading: Reading | None = None, raw: bool | None = None
) -> SourceContent:
    """What a source holds: a file, a reference to the hub, or `POSITIVE vs NEGATIVE`, which `negative` may say, too.

    Raises:
        DataError: where the name can be no file's.
    """
    reading = reading or Reading()
    if not negative and VERSUS in name and not _is_there(name):
        name, _, negative = name.partition(VERSUS)
        name, negative = name.strip(), negative.strip()
    if not negative:
        label, file = _read_one(name, offline, reading)
        return SourceContent(label, (file,), raw)
    (one, positive_file), (other, negative_file) = (_read_one(side, offline, reading) for side in (name, negative))
    return SourceContent(f"{one}-vs-{other}", (positive_file, negative_file), raw)


def _read_one(name: str, offline: bool, reading: Reading) -> tuple[str, FileContent]:
    """What the behavior of a source with one file is called, and the file."""
    if name.startswith(HUB):
        reference = HubReference.parse(name)
        files = hub_files(reference, offline)
        if len(files) > 1:
            return reference.name, parse_parts(name, files, reading)
        path = files[0].fetch()
        label, part = reference.name or stem(path), reference.split if reference.is_file else ""
    else:
        place, part = _without_part(name)
        path = find_file(place)
        label = stem(path)
    if part:
        label, reading = f"{label}-{part}", replace(reading, part=part)
    return label, parse_file(path, reading)


def _without_part(name: str) -> tuple[str, str]:
    """A path and what stands behind its last #, where there is no file of the whole name."""
    place, mark, part = name.rpartition(PART)
    return (place, part) if mark and part and not _is_there(name) and exists(place) else (name, "")


def _is_there(name: str) -> bool:
    """Whether there is a file of the whole name, with or without its ending."""
    return exists(name) or any(exists(name + ending) for ending in ENDINGS)


def relocated(source: str, placed: Callable[[str], str]) -> str:
    """A source whose paths are other ones: both of two files, and without the part that is asked for behind them.

    Args:
        source: as `read_source` takes it.
        placed: makes the new path of one; references to the hub are left as they are.
    """
    found = placed(source)
    if found != source or _is_there(source):
        return found
    if VERSUS in source:
        return VERSUS.join(relocated(side.strip(), placed) for side in source.split(VERSUS, 1))
    place, mark, part = source.rpartition(PART)
    return f"{placed(place)}{PART}{part}" if mark and not source.startswith(HUB) else source


def stem(path: Path) -> str:
    """The name of a file without its endings."""
    return Path(path.name.removesuffix(".gz")).stem


def find_file(name: str) -> Path:
    """The file that a path means.

    Raises:
        DataError: for a folder that does not hold one file, and for a name that looks like none of a file.
    """
    if os.path.isdir(name):
        return _only_file(Path(name))
    if os.path.exists(name):
        return Path(name)
    for ending in ENDINGS:
        if os.path.isfile(name + ending):
            return Path(name + ending)
    looks_like_path = name.endswith(ENDINGS) or os.sep in name or "/" in name
    if looks_like_path:
        return Path(name)  # reading it reports that it is missing, and names a near one
    raise DataError(_unknown(name))


def _only_file(folder: Path) -> Path:
    found = sorted(folder.glob("*.jsonl")) or sorted(
        path for ending in ENDINGS for path in folder.glob(f"*{ending}") if path.is_file()
    )
    if len(found) == 1:
        return found[0]
    if not found:
        raise DataError(f"{folder}: the folder holds no file of pairs ({', '.join(ENDINGS[:6])})")
    names = ", ".join(path.name for path in found[:10]) + (", …" if len(found) > 10 else "")
    raise DataError(f"{folder}: the folder holds {len(found)} files; name one of {names}")


def _unknown(name: str) -> str:
    near = nearest_words(name, LOADABLE)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    return (
        f"no behavior or file {name!r}{hint}\nbuilt in are {', '.join(BUILT_INS)}; "
        f"in other languages {', '.join(name for name in LOADABLE if name not in BUILT_INS)}; "
        f"or give a file, {HUB}owner/dataset/path.jsonl or {HUB}owner/dataset#split"
    )
