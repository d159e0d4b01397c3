"""The run folder: a manifest, tables, vectors, and the report."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import get_args

from filelock import FileLock

from trimtab._util.atomic_files import (
    acquire,
    is_leftover,
    make_folder,
    refuse_links,
    remove,
    remove_leftovers,
)
from trimtab.errors import RunError
from trimtab.store.manifest import Manifest, Records, ShareManifest, merged
from trimtab.store.manifest.manifest_file import read_manifest, write_manifest
from trimtab.store.table_folder import Kind, TableFolder

MANIFEST = "manifest.json"
SHARES = "manifest.d"


class RunFolder(TableFolder):
    """One run on disk. Whenever a run is killed, every file in its folder is whole.

    The folder may come from another person: everything read is checked, and nothing below it may be a link. The folder
    itself may be one.

    Several processes may work on a run, each on another model: then each writes to a `ShareFolder` of it, so that no
    file is written by two.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path):
        super().__init__(path)
        self._identity = ""
        self._lock = FileLock(path / ".lock")

    @classmethod
    def open(cls, path: Path, identity: str) -> RunFolder:
        """Create the folder, or open the run of the same identity in it, and lock other processes out.

        Raises:
            RunError: When the folder holds another run or something else, or another process is writing to it.
        """
        folder = RunFolder(path)
        if path.exists() and not path.is_dir():
            raise RunError(f"{path}: is a file; name a folder for the run")
        if path.is_dir() and any(path.iterdir()):
            if not (path / MANIFEST).is_file() and not _has_only_leftovers(path):
                raise RunError(f"{path}: is not empty and not a run folder; name another folder with -o")
            found = folder.identity()
            if found not in ("", identity):
                raise RunError(
                    f"{path}: holds a run with other settings or pairs, or of an earlier version whose numbers differ, "
                    "and results are never mixed; "
                    "name another folder with -o, or delete this one"
                )
        make_folder(path)
        folder.lock()
        try:
            if not folder.is_shared:
                remove_leftovers(path)
            for part in ("samples", "vectors"):
                make_folder(path / part, inside=path)
        except BaseException:
            folder.close()
            raise
        return folder

    def lock(self, wait_seconds: float = 0) -> None:
        """Lock other processes out.

        Args:
            wait_seconds: How long to wait for another process to finish.

        Raises:
            RunError: When another process holds the lock all that time.
        """
        busy = f"{self.path}: another process is working {self._described()}"
        acquire(self._lock, wait_seconds, busy, inside=self.path, error=RunError)

    def _described(self) -> str:
        return "on this run"

    def close(self) -> None:
        """Release the lock."""
        self._lock.release()

    def identity(self) -> str:
        """Identity of the run in the folder; empty if there is none yet."""
        if not self._identity and (self.path / MANIFEST).is_file():
            # Without the shares, whose merging by another process this must not depend on.
            self._identity = self._own_manifest().identity
        return self._identity

    def manifest(self) -> Manifest:
        """The manifest of the run, with those of shares that are not merged yet.

        Raises:
            RunError: When there is none, or it cannot be read.
        """
        # Shares first: one that is merged meanwhile is in the run's own by then.
        shares = []
        for file in self._share_manifests():
            with contextlib.suppress(FileNotFoundError):
                shares.append(read_manifest(file, self.path, ShareManifest))
        manifest = self._own_manifest()
        for share in shares:
            manifest = merged(manifest, share)
        return manifest

    def _own_manifest(self) -> Manifest:
        try:
            return read_manifest(self.path / MANIFEST, self.path, Manifest)
        except FileNotFoundError:
            raise RunError(f"{self.path}: no {MANIFEST} here, so this is not a run folder") from None

    def write_manifest(self, manifest: Records) -> None:
        """Replace the manifest, whole or not at all."""
        if not isinstance(manifest, Manifest):
            raise TypeError("a run has the manifest of a run")
        write_manifest(manifest, self.path / MANIFEST, self.path)

    def _share_manifests(self) -> list[Path]:
        refuse_links(self.path / SHARES, self.path)
        return sorted(file for file in (self.path / SHARES).glob("*.json") if not file.name.startswith("."))

    def open_shares(self) -> None:
        """Prepare the folder for models that are worked on side by side."""
        make_folder(self.path / SHARES, inside=self.path)

    def wait_for_workers(self, seconds: float) -> None:
        """Wait until no worker of an earlier start writes any more: each holds a lock among the shares.

        Raises:
            RunError: When one does after that time.
        """
        for file in sorted((self.path / SHARES).glob(".*.lock")):
            lock = FileLock(file)
            busy = f"{self.path}: another process is working on {file.stem.removeprefix('.')} in this run"
            acquire(lock, seconds, busy, inside=self.path, error=RunError)
            lock.release()

    @property
    def is_shared(self) -> bool:
        """Whether models are worked on side by side, or were when the run was stopped."""
        return (self.path / SHARES).is_dir()

    def close_shares(self) -> None:
        """Remove the folder of the shares, all of which have been merged."""
        if self.is_shared and not self._share_manifests():
            remove(self.path / SHARES, inside=self.path)
            remove_leftovers(self.path)


def free_folder(path: Path, identity: str) -> Path:
    """Return the first of `path`, `path-2`, `path-3`, … that is new or holds the run of this identity."""
    candidate, number = path, 1
    while candidate.exists() and (candidate / MANIFEST).is_file() and RunFolder(candidate).identity() != identity:
        number += 1
        candidate = path.with_name(f"{path.name}-{number}")
    return candidate


def _has_only_leftovers(path: Path) -> bool:
    """Whether a run was killed before it wrote its manifest."""
    return all(p.name in (".lock", "vectors", *get_args(Kind)) or is_leftover(p.name) for p in path.iterdir())
