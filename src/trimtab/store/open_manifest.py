"""A manifest that is being written: its newest state, in memory and on disk."""

from __future__ import annotations

from typing import Generic, TypeVar

from trimtab.store.manifest import Records
from trimtab.store.run_folder import RunFolder

M = TypeVar("M", bound=Records)


class OpenManifest(Generic[M]):
    """The manifest of a run or of a share, and the folder that it is written to.

    Args:
        folder: The run's folder, or the share's.
        manifest: Its manifest.
    """

    def __init__(self, folder: RunFolder, manifest: M):
        self.folder, self.manifest = folder, manifest

    def update(self, manifest: M) -> None:
        """Replace the manifest, in memory and on disk."""
        self.manifest = manifest
        self.write()

    def write(self) -> None:
        """Write the manifest as it is now."""
        self.folder.write_manifest(self.manifest)
