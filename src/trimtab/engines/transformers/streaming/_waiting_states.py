"""States of passes that wait for their next layer: in memory up to a budget, the rest in a temporary file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO

import torch
from torch import Tensor

from trimtab.errors import ModelError


class WaitingStates:
    """Holds the states that passes hand to their next layer.

    Every pass comes to each layer in the same order, so what is nearest to its turn is what has waited longest: the
    first ones stay in memory, at every layer the same, and only what has no room goes to the file.

    Args:
        max_bytes: of states in memory; None: all of them.
    """

    def __init__(self, max_bytes: int | None):
        self.max_bytes = max_bytes
        self.bytes = self.most_bytes = 0
        """In memory, now and at most."""
        self.file_bytes = 0
        """Length of the file."""
        self._file: FileIO | None = None
        self._free: list[tuple[int, int]] = []
        """(size, where) of regions of the file that are not in use."""

    @contextmanager
    def open(self) -> Iterator[None]:
        """The file, if one is needed, is gone when the context ends."""
        try:
            yield
        finally:
            if self._file is not None:
                self._file.close()
                self._file = None

    @contextmanager
    def waiting(self, states: Tensor) -> Iterator[None]:
        """While the context lasts nobody reads or writes these states; they are as they were behind it.

        Raises:
            ModelError: when the disk has no room for them.
        """
        storage = states.untyped_storage()
        size = storage.nbytes()
        if self.max_bytes is None or self.bytes + size <= self.max_bytes or not storage.resizable():
            self.bytes += size
            self.most_bytes = max(self.most_bytes, self.bytes)
            try:
                yield
            finally:
                self.bytes -= size
            return
        place = self._write(storage)
        # Frames of the waiting pass hold the tensor: what it points to is freed, and put back behind.
        storage.resize_(0)
        try:
            yield
        finally:
            storage.resize_(size)
            self._read(place, storage)

    def _write(self, storage: torch.UntypedStorage) -> tuple[int, int]:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="trimtab-states-", buffering=0)  # noqa: SIM115 (`open` closes it)
        place = self._region(storage.nbytes())
        # A copy: storage that numpy has seen cannot be freed.
        view = memoryview(_as_bytes(storage).to("cpu", copy=True).numpy())  # type: ignore[arg-type]
        try:
            self._file.seek(place[1])
            while view:  # one call writes 2 GiB at most
                view = view[self._file.write(view) :]
        except OSError as error:
            raise ModelError(
                f"the states of passes that wait for their next layer do not fit into {tempfile.gettempdir()} "
                f"({error.strerror}, at {self.file_bytes:,} bytes). Free some of it, or name a larger folder in TMPDIR"
            ) from error
        return place

    def _read(self, place: tuple[int, int], storage: torch.UntypedStorage) -> None:
        assert self._file is not None
        read = torch.empty(storage.nbytes(), dtype=torch.uint8)
        view = memoryview(read.numpy())  # type: ignore[arg-type]
        self._file.seek(place[1])
        while view:
            count = self._file.readinto(view)
            if not count:
                raise ModelError("the temporary file of waiting states was cut while it was in use")
            view = view[count:]
        _as_bytes(storage).copy_(read)
        self._free.append(place)

    def _region(self, size: int) -> tuple[int, int]:
        """(size, where) of a region of the file of at least that size."""
        fitting = [place for place in self._free if place[0] >= size]
        if fitting:
            found = min(fitting)
            self._free.remove(found)
            return found
        where = self.file_bytes
        self.file_bytes += size
        return size, where


def _as_bytes(storage: torch.UntypedStorage) -> Tensor:
    return torch.empty(0, dtype=torch.uint8, device=storage.device).set_(storage)
