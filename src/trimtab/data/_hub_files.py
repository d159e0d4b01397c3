"""Files of data sets on the hub: one by its path, or those that hold a split."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from trimtab.errors import DataError, UnreachableError

HUB = "hub:"
_ENDINGS = (".parquet", ".jsonl", ".jsonl.gz", ".json", ".json.gz", ".csv", ".tsv")
_CONVERTED = "refs/convert/parquet"
"""The branch on which the hub keeps every data set as Parquet tables."""

_PART = re.compile(r"(?P<before>.*?)(?P<number>\d+)(?:-of-(?P<of>\d+))?(?P<after>\.[\w.]+)")
"""A numbered part of a table: `train-00000-of-00002.parquet`, `train/0001.parquet`."""

T = TypeVar("T")


@dataclass(frozen=True)
class HubReference:
    """`hub:owner/dataset[@revision]/path` or `hub:owner/dataset[@revision][/folder]#split`."""

    text: str
    repository: str
    revision: str | None
    path: str
    """A file, or with a split a folder or ""."""
    split: str

    @classmethod
    def parse(cls, text: str) -> HubReference:
        """The reference that a text stands for.

        Raises:
            DataError: where it is none.
        """
        place, _, split = text.removeprefix(HUB).partition("#")
        owner, _, rest = place.partition("/")
        name, _, path = rest.partition("/")
        name, _, revision = name.partition("@")
        if not (owner and name and (path or split)):
            raise DataError(f"{text}: write {HUB}owner/dataset/path/in/it.jsonl, or {HUB}owner/dataset#split")
        return cls(text, f"{owner}/{name}", revision or None, path.strip("/"), split)

    @property
    def is_file(self) -> bool:
        """Whether it names a file; then what stands behind its # is a part of that."""
        return self.path.lower().endswith(_ENDINGS)

    @property
    def name(self) -> str:
        """What a behavior from there is called."""
        if self.is_file:
            return ""
        dataset = self.repository.partition("/")[2]
        return "-".join([dataset, *(part for part in (*self.path.split("/"), self.split) if part)])


@dataclass(frozen=True)
class HubFile:
    """One file of a data set, which is downloaded when it is wanted."""

    reference: HubReference
    path: str
    revision: str | None
    offline: bool

    @property
    def name(self) -> str:
        """What messages call it."""
        at = f"@{self.revision}" if self.revision else ""
        return f"{HUB}{self.reference.repository}{at}/{self.path}"

    def fetch(self) -> Path:
        """A local copy.

        Raises:
            DataError: where there is no such file.
        """
        return _fetched(self.reference, self.path, self.revision, self.offline)


def hub_files(reference: HubReference, offline: bool) -> tuple[HubFile, ...]:
    """The file of a data set, or those of a split in their order; nothing is downloaded yet.

    Raises:
        DataError: where no file holds the split, where several do that are no parts of one table, and where one of
            these parts is missing.
    """
    if reference.is_file or not reference.split:
        return (HubFile(reference, reference.path, reference.revision, offline),)
    files, revision = _files(reference, offline), reference.revision
    found = files_of_split(files, reference.path, reference.split)
    if not found and not offline and revision is None:
        converted = _listed(reference, _CONVERTED, missing_ok=True)
        found, revision = files_of_split(converted, reference.path, reference.split), _CONVERTED
    files_found = tuple(HubFile(reference, path, revision, offline) for path in found)
    if found and (fault := parts_fault(found)):
        shown = ", ".join(found[:4]) + (", …" if len(found) > 4 else "")
        advice = f"name one of them: {files_found[0].name}"
        raise DataError(f"{reference.text}: the split is in {len(found)} files ({shown}), {fault}; {advice}")
    if found:
        return files_found
    data = [file for file in files if file.endswith(_ENDINGS)]
    shown = ", ".join(data[:8]) + (", …" if len(data) > 8 else "")
    raise DataError(f"{reference.text}: no file of the split {reference.split!r}; its data files are {shown or 'none'}")


def files_of_split(files: Sequence[str], folder: str, split: str) -> list[str]:
    """Which files of a data set hold a split: `data/train-00000-of-00001.parquet`, `train.jsonl`, `train/0000.parquet`.

    Args:
        files: all paths.
        folder: where they have to be; "" for anywhere.
        split: its name.
    """
    prefix = f"{folder}/" if folder else ""
    named = re.compile(rf"(?:.*/)?{re.escape(split)}(?:/[^/]+|[-.][\w.-]*)?\.(?:parquet|jsonl?|csv|tsv)(?:\.gz)?")
    data = [file for file in files if file.startswith(prefix) and file.endswith(_ENDINGS)]
    return sorted((file for file in data if named.fullmatch(file[len(prefix) :])), key=_place)


def _place(file: str) -> tuple[str, int]:
    """Sorts parts by their number."""
    part = _PART.fullmatch(file)
    return (part["before"], int(part["number"])) if part else (file, 0)


def parts_fault(files: Sequence[str]) -> str:
    """Why files are not the parts of one table, in order: `train-00000-of-00002.parquet`, `train/0001.parquet`.

    Args:
        files: paths of one split, sorted.

    Returns:
        "" where they are, or where there is one file only that does not say that there are others.
    """
    parts = [_PART.fullmatch(file) for file in files]
    first = parts[0]
    if len(files) == 1 and (first is None or first["of"] is None):
        return ""
    if len({part and part.group("before", "of", "after") for part in parts}) > 1 or first is None:
        return "which are no parts of one table"
    numbers = {int(part["number"]) for part in parts if part is not None}
    begin = 0 if 0 in numbers else 1
    count = int(first["of"] or max(numbers) + 1 - begin)
    missing = sorted(set(range(begin, begin + count)) - numbers)
    return f"and of {count} parts number {missing[0]} is missing" if missing else ""


def _files(reference: HubReference, offline: bool) -> list[str]:
    if not offline:
        return _listed(reference, reference.revision)
    from huggingface_hub import snapshot_download

    def in_cache() -> list[str]:
        folder = snapshot_download(
            reference.repository, repo_type="dataset", revision=reference.revision, local_files_only=True
        )
        return [str(file.relative_to(folder)) for file in Path(folder).rglob("*") if file.is_file()]

    return _asked(reference, in_cache)


def _listed(reference: HubReference, revision: str | None, *, missing_ok: bool = False) -> list[str]:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RevisionNotFoundError

    def ask() -> list[str]:
        try:
            return list(HfApi().list_repo_files(reference.repository, repo_type="dataset", revision=revision))
        except RevisionNotFoundError:
            if missing_ok:
                return []
            raise

    return _asked(reference, ask)


def _fetched(reference: HubReference, path: str, revision: str | None, offline: bool) -> Path:
    # Only here: importing it takes longer than all of trimtab.data.
    from huggingface_hub import hf_hub_download

    def fetch() -> Path:
        return Path(
            hf_hub_download(
                reference.repository, path, repo_type="dataset", revision=revision, local_files_only=offline
            )
        )

    return _asked(reference, fetch)


def _asked(reference: HubReference, ask: Callable[[], T]) -> T:
    """What the hub answers, its errors in words."""
    from huggingface_hub import errors
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    # What the library that huggingface_hub speaks with raises, whichever that is in its version; no OSError in all.
    transport: type[Exception] = vars(errors)["HTTPError"]
    text = reference.text
    try:
        return ask()
    except (LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        problem = "the hub is out of reach and the file not in its cache; go online, or give a local file"
        raise UnreachableError(f"{text}: {problem}") from error
    except GatedRepoError as error:
        raise DataError(f"{text}: the dataset is gated; ask for access, then `hf auth login`") from error
    except RevisionNotFoundError as error:
        raise DataError(f"{text}: the dataset has no revision {reference.revision!r}") from error
    except RepositoryNotFoundError as error:
        problem = "no such dataset on the hub, or it is private (then `hf auth login`)"
        raise DataError(f"{text}: {problem}") from error
    except EntryNotFoundError as error:
        raise DataError(f"{text}: the dataset {reference.repository} has no file {reference.path}") from error
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise DataError(f"{text}: the file cannot be downloaded: {error}") from error
    except transport as error:
        raise UnreachableError(f"{text}: the hub is out of reach ({error}); go online, or give a local file") from error
