"""A share of a run: the files that the worker of one model writes, beside the workers of others."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock

from trimtab._util.atomic_files import remove
from trimtab.errors import RunError
from trimtab.store._file_names import safe_name
from trimtab.store.manifest import Records, ShareManifest
from trimtab.store.manifest.manifest_file import read_manifest, write_manifest
from trimtab.store.run_folder import SHARES, RunFolder


class ShareFolder(RunFolder):
    """A run folder for the worker of one model: it reads the whole run, and writes a manifest and parts of its own.

    Args:
        path: The run folder.
        model: The model.
    """

    def __init__(self, path: Path, model: str):
        super().__init__(path)
        self.author = safe_name(model)
        self._file = path / SHARES / f"{self.author}.json"
        self._lock = FileLock(path / SHARES / f".{self.author}.lock")

    def _described(self) -> str:
        return f"on {self.author} in this run"

    def has_manifest(self) -> bool:
        """Whether the share has begun and is not merged yet."""
        return self._file.is_file()

    def share_manifest(self) -> ShareManifest:
        """The manifest of the share alone.

        Raises:
            RunError: When there is none, or it cannot be read.
        """
        try:
            return read_manifest(self._file, self.path, ShareManifest)
        except FileNotFoundError:
            raise RunError(f"{self.path}: no share of {self.author} here") from None

    def write_manifest(self, manifest: Records) -> None:
        """Replace the manifest of the share, whole or not at all."""
        if not isinstance(manifest, ShareManifest):
            raise TypeError("a share has the manifest of a share")
        write_manifest(manifest, self._file, self.path)

    def drop(self) -> None:
        """Delete the manifest of the share, which has been merged."""
        remove(self._file, inside=self.path)

    def steps(self) -> int:
        """Number of steps of the model that are on disk: grows with everything that a restart need not repeat."""
        tables = len(self.share_manifest().cached_tables) if self.has_manifest() else 0
        return self._own_files() + tables
