"""Files of data sets on the hub: one by its path, or the one that holds a split."""

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


def download(reference: HubReference, offline: bool) -> Path:
    """A local copy of the file of a data set.

    Raises:
        DataError: where there is no such file, or no single one of the split.
    """
    if reference.is_file or not reference.split:
        return _fetched(reference, reference.path, reference.revision, offline)
    files, revision = _files(reference, offline), reference.revision
    found = files_of_split(files, reference.path, reference.split)
    if not found and not offline and revision is None:
        converted = _listed(reference, _CONVERTED, missing_ok=True)
        found, revision = files_of_split(converted, reference.path, reference.split), _CONVERTED
    if len(found) == 1:
        return _fetched(reference, found[0], revision, offline)
    if found:
        shown = ", ".join(found[:4]) + (", …" if len(found) > 4 else "")
        at = f"@{revision}" if revision else ""
        advice = f"name one of them: {HUB}{reference.repository}{at}/{found[0]}"
        raise DataError(f"{reference.text}: the split is in {len(found)} files ({shown}); {advice}")
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
    return sorted(file for file in data if named.fullmatch(file[len(prefix) :]))


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
