"""Shared folders on the hub: put there and fetched by huggingface_hub, which finds the token in its own ways."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from trimtab.errors import SettingError, VectorError
from trimtab.inputs.bounded_files import MIB
from trimtab.vectors.formats.published.shared_folders import (
    CARD,
    CONTROL_VECTOR,
    HUB_ID,
    MONITOR,
    STEERING,
    VECTORS,
    read_steering,
)
from trimtab.vectors.tensor_file import MAX_FILE_BYTES

FILES = (VECTORS, CONTROL_VECTOR, MONITOR, STEERING, CARD)
"""What is uploaded, where it is there; nothing else in a folder is."""
_FETCHED = {STEERING: MIB, VECTORS: MAX_FILE_BYTES, MONITOR: MAX_FILE_BYTES}
"""What is fetched, and how large it may be."""

T = TypeVar("T")


def to_upload(folder: Path) -> list[tuple[str, int]]:
    """Name and size in bytes of the files that would be uploaded.

    Raises:
        VectorError: When it is no shared folder, or a file in it is a link.
    """
    conditional = read_steering(folder).setting.when is not None
    optional = (CONTROL_VECTOR,) if conditional else (CONTROL_VECTOR, MONITOR)
    found = [folder / name for name in FILES]
    if links := [path for path in found if path.is_symlink()]:
        raise VectorError(f"{links[0]}: is a link, and links are not uploaded; put the file itself there")
    if missing := [path for path in found if path.name not in optional and not path.is_file()]:
        raise VectorError(f"{missing[0]}: is missing; write the folder again")
    return [(path.name, path.stat().st_size) for path in found if path.is_file()]


def upload(folder: Path, repository: str, *, private: bool = False, revision: str = "") -> str:
    """Put a shared folder on the hub, in one commit.

    Args:
        folder: What `share_run` or `share_vector` wrote.
        repository: `owner/name`; it is made if there is none.
        private: Whether only its owner may see it.
        revision: A branch, which is made if there is none; by default the main one.

    Returns:
        The address of the commit.

    Raises:
        SettingError: When `repository` is no `owner/name`.
        VectorError: When the folder is none, or the hub refuses or is out of reach; nothing is uploaded then.
    """
    from huggingface_hub import HfApi

    require_hub_id(repository)
    names = [name for name, _ in to_upload(folder)]
    api = HfApi()

    def send() -> str:
        api.create_repo(repository, private=private or None, repo_type="model", exist_ok=True)
        # The hub leaves a repository that is there as public as it is.
        if private and not api.model_info(repository).private:
            raise VectorError(
                f"{repository}: is there already, and public, so nothing was uploaded; make it private on the hub, or "
                "leave out --private"
            )
        if revision:
            api.create_branch(repository, branch=revision, repo_type="model", exist_ok=True)
        done = api.upload_folder(
            repo_id=repository, folder_path=folder, repo_type="model", revision=revision or None, allow_patterns=names,
            delete_patterns=None if CONTROL_VECTOR in names else [CONTROL_VECTOR],  # of a version before
            commit_message="A steering vector, with what was measured of it",
        )  # fmt: skip
        return str(done.commit_url)

    return _asked(repository, "upload", send)


def fetched(repository: str, revision: str = "") -> tuple[Path, str]:
    """A folder with the files of a shared vector on the hub that are read, and the commit that they are of.

    Raises:
        SettingError: When `repository` is no `owner/name`.
        VectorError: When it is not there, holds no shared vector or one that is too large, or the hub is out of reach.
    """
    from huggingface_hub import HfApi

    require_hub_id(repository)
    api = HfApi()

    def receive() -> tuple[Path, str]:
        info = api.model_info(repository, revision=revision or None, files_metadata=True)
        sizes = {one.rfilename: one.size for one in info.siblings or ()}
        _require_files(repository, sizes, sorted(sizes))
        commit = str(info.sha)
        names = [name for name in _FETCHED if name in sizes]
        places = [Path(api.hf_hub_download(repository, name, repo_type="model", revision=commit)) for name in names]
        return places[0].parent, commit

    return _asked(repository, "fetch", receive)


def require_hub_id(repository: str) -> None:
    """Refuse what is no `owner/name`.

    Raises:
        SettingError: With what to write.
    """
    if not HUB_ID.fullmatch(repository):
        raise SettingError(f"{repository!r} is no repository of the hub; write owner/name")


def _require_files(repository: str, sizes: dict[str, int | None], names: Sequence[str]) -> None:
    """Refuse before anything is downloaded what cannot be a shared vector."""
    for name, most in _FETCHED.items():
        if name == MONITOR and name not in sizes:
            continue
        if name not in sizes:
            there = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
            raise VectorError(
                f"{repository}: holds no {name}, so `trimtab hub push` did not write it (its files: "
                f"{there or 'none'}); `trimtab vectors import` reads single files of other tools"
            )
        if (size := sizes[name]) is None or size > most:
            raise VectorError(f"{repository}: {name} has {size} bytes, and may have {most:,}; it is not downloaded")


def _asked(repository: str, what: str, ask: Callable[[], T]) -> T:
    """What the hub answers, its errors in words."""
    from huggingface_hub import errors
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        LocalTokenNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    # What the library that huggingface_hub speaks with raises, whichever that is in its version.
    transport: type[Exception] = vars(errors)["HTTPError"]
    try:
        return ask()
    except OfflineModeIsEnabled as error:
        raise VectorError(f"{repository}: cannot {what}: the hub is switched off (HF_HUB_OFFLINE)") from error
    except LocalTokenNotFoundError as error:
        raise VectorError(f"{repository}: cannot {what}: nobody is logged in; `hf auth login` first") from error
    except GatedRepoError as error:
        raise VectorError(f"{repository}: is gated; ask for access, then `hf auth login`") from error
    except RevisionNotFoundError as error:
        raise VectorError(f"{repository}: has no such revision") from error
    except RepositoryNotFoundError as error:
        raise VectorError(f"{repository}: is not on the hub, or private (then `hf auth login`)") from error
    except HfHubHTTPError as error:
        code = error.response.status_code
        advice = "; log in with a token that may write there (`hf auth login`)" if code in (401, 403) else ""
        raise VectorError(f"{repository}: cannot {what}: the hub answers {code}{advice}") from error
    except LocalEntryNotFoundError as error:
        raise VectorError(f"{repository}: cannot {what}: the hub is out of reach") from error
    except (transport, HFValidationError, OSError) as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise VectorError(f"{repository}: cannot {what}: {reason}") from error
