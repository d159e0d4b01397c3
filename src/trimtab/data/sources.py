"""Where pairs come from: built in, a file, a folder, or a dataset on the hub."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

from trimtab._util.suggest import nearest_words
from trimtab.data.builtin import BUILT_INS, LOADABLE
from trimtab.data.formats.files import left_out_remark, parse_file
from trimtab.data.pairs import Behavior
from trimtab.data.splits import sample
from trimtab.errors import DataError, TrimtabWarning, UnreachableError

HUB = "hub:"


def dataset(
    name_or_path: str | os.PathLike[str],
    *,
    limit: int | None = None,
    seed: int = 0,
    offline: bool = False,
    skip_bad: bool = False,
) -> Behavior:
    """A behavior by name, path or reference to the hub.

    Args:
        name_or_path: the name of a built-in behavior ("corrigible") or of a translation ("cheerful-fr"); a `.jsonl`
            file, with or without its ending; a folder that holds exactly one; or `hub:owner/dataset/path/in/it.jsonl`,
            downloaded once (`hub:owner/dataset@revision/…` for a fixed revision).
        limit: keep at most this many pairs, a sample stratified by answer label.
        seed: which pairs the sample keeps.
        offline: take files of the hub from its cache only.
        skip_bad: leave out lines of the file that are no pairs, and warn of them. Of a published format such lines are
            always left out, and warned of; they are part of the behavior's hash.

    Raises:
        DataError: when there is no such behavior, or with every problem of its file.
    """
    behavior = _load(os.fspath(name_or_path), offline, skip_bad)
    for remark in left_out_remark(behavior.left_out):
        warnings.warn(f"{behavior.name}: {remark}", TrimtabWarning, stacklevel=2)
    return behavior if limit is None else sample(behavior, limit, seed)


def _load(name: str, offline: bool, skip_bad: bool) -> Behavior:
    if name in LOADABLE:
        return LOADABLE[name].load()
    path = _download(name, offline) if name.startswith(HUB) else _find_file(name)
    found = parse_file(path, skip_bad=skip_bad)
    found.problems.raise_if_any()
    return Behavior(path.stem, found.pairs, left_out=found.left_out)


def _find_file(name: str) -> Path:
    """The file that a path means."""
    if os.path.isdir(name):
        return _only_file(Path(name))
    if os.path.exists(name):
        return Path(name)
    if os.path.isfile(f"{name}.jsonl"):
        return Path(f"{name}.jsonl")
    looks_like_path = name.endswith(".jsonl") or os.sep in name or "/" in name
    if looks_like_path:
        return Path(name)  # reading it reports that it is missing, and names a near one
    raise DataError(_unknown(name))


def _only_file(folder: Path) -> Path:
    found = sorted(folder.glob("*.jsonl"))
    if len(found) == 1:
        return found[0]
    if not found:
        raise DataError(f"{folder}: the folder holds no .jsonl file")
    names = ", ".join(path.name for path in found[:10]) + (", …" if len(found) > 10 else "")
    raise DataError(f"{folder}: the folder holds {len(found)} .jsonl files; name one of {names}")


def _unknown(name: str) -> str:
    near = nearest_words(name, LOADABLE)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    return (
        f"no behavior or file {name!r}{hint}\nbuilt in are {', '.join(BUILT_INS)}; "
        f"in other languages {', '.join(name for name in LOADABLE if name not in BUILT_INS)}; "
        f"or give a .jsonl file, or {HUB}owner/dataset/path.jsonl"
    )


def _download(reference: str, offline: bool) -> Path:
    """A local copy of a file of a dataset on the hub."""
    # Only here: importing it takes longer than all of trimtab.data.
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    repository, revision, filename = _parse_reference(reference)
    try:
        place = hf_hub_download(
            repository, filename, repo_type="dataset", revision=revision, local_files_only=offline
        )  # fmt: skip
        return Path(place)
    except LocalEntryNotFoundError as error:
        problem = "the hub is out of reach and the file not in its cache; go online, or give a local file"
        raise UnreachableError(f"{reference}: {problem}") from error
    except GatedRepoError as error:
        raise DataError(f"{reference}: the dataset is gated; ask for access, then `hf auth login`") from error
    except RevisionNotFoundError as error:
        raise DataError(f"{reference}: the dataset has no revision {revision!r}") from error
    except RepositoryNotFoundError as error:
        problem = "no such dataset on the hub, or it is private (then `hf auth login`)"
        raise DataError(f"{reference}: {problem}") from error
    except EntryNotFoundError as error:
        raise DataError(f"{reference}: the dataset {repository} has no file {filename}") from error
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise DataError(f"{reference}: the file cannot be downloaded: {error}") from error


def _parse_reference(reference: str) -> tuple[str, str | None, str]:
    """Repository, revision and file of `hub:owner/dataset[@revision]/path`."""
    owner, _, rest = reference.removeprefix(HUB).partition("/")
    name, _, filename = rest.partition("/")
    name, _, revision = name.partition("@")
    if not (owner and name and filename):
        raise DataError(f"{reference}: write {HUB}owner/dataset/path/in/it.jsonl")
    return f"{owner}/{name}", revision or None, filename
