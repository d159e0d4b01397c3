"""Which passes share a stream over the weights: all of a job, unless their waiting states have no room."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

from trimtab._util.wording import plural
from trimtab.engines.transformers.packing.batches import Query
from trimtab.engines.transformers.packing.budget import Budget
from trimtab.engines.transformers.packing.schedule import Schedule
from trimtab.engines.transformers.streaming.together import NO_BYTES, PassBytes

DISK_SHARE = 2
"""States may take 1 / `DISK_SHARE` of what is free where temporary files go."""
VISIBILITY_BYTES = 5
"""For each token and key of a packed row, beside its mask: whether it sees it, and how far it is."""


@dataclass(frozen=True)
class Streams:
    """The passes of a job in the streams that they share."""

    groups: tuple[range, ...]
    """Passes of each stream."""
    needs: tuple[PassBytes, ...] = ()
    """What the passes of each take."""
    reason: str = ""
    """Why there are several; empty for one."""
    file_bytes: int = 0
    """States of the largest stream that have no room in memory."""


def free_disk() -> int:
    """Bytes that waiting states may take where temporary files go (TMPDIR)."""
    return shutil.disk_usage(tempfile.gettempdir()).free // DISK_SHARE


def share_streams(passes: Sequence[PassBytes], budget: Budget) -> Streams:
    """As few streams as memory and disk have room for; a pass that has none is alone in its stream."""
    memory = budget.waiting_bytes
    # Nobody is asked for disk who does not need it.
    roomy = sum(one.waiting for one in passes) <= memory
    disk = 0 if roomy else free_disk() if budget.file_bytes is None else budget.file_bytes
    groups: list[range] = []
    largest = first = waiting = held = 0
    for index, one in enumerate(passes):
        full = waiting + one.waiting > memory + disk or held + one.held > budget.held_bytes
        if full and index > first:
            groups.append(range(first, index))
            first, waiting, held = index, 0, 0
        waiting, held = waiting + one.waiting, held + one.held
        largest = max(largest, waiting - memory)
    if passes:
        groups.append(range(first, len(passes)))
    reason = ""
    if len(groups) > 1:
        states = sum(one.waiting for one in passes) / 1e9
        kept = sum(one.held for one in passes) / 1e9
        reason = (
            f"{plural(len(groups), 'stream')} over the weights instead of one: {plural(len(passes), 'pass', 'passes')} "
            f"wait with {states:.3g} GB of states, for {(memory + disk) / 1e9:.3g} GB in memory and in "
            f"{tempfile.gettempdir()} (TMPDIR), and {kept:.3g} GB of masks and results, for "
            f"{budget.held_bytes / 1e9:.3g} GB in memory"
        )
    needs = tuple(sum((passes[index] for index in group), NO_BYTES) for group in groups)
    return Streams(tuple(groups), needs, reason, max(0, largest))


def fitting(needs: Sequence[PassBytes], budget: Budget) -> list[int]:
    """Which of several jobs' next passes share a stream: the first, and those that have room beside it, in order."""
    room = PassBytes(budget.waiting_bytes, budget.held_bytes)
    if sum(one.waiting for one in needs) > room.waiting:
        room += PassBytes(free_disk() if budget.file_bytes is None else budget.file_bytes)
    chosen, taken = [], NO_BYTES
    for index, one in enumerate(needs):
        whole = taken + one
        if not index or (whole.waiting <= room.waiting and whole.held <= room.held):
            chosen.append(index)
            taken = whole
    return chosen


def state_bytes(
    width: int, size: int, queries: Sequence[Query], plan: Schedule, budget: Budget, *, reads_each: int = 0
) -> list[PassBytes]:
    """What each batch of a job takes between two layers, about.

    Args:
        width: dimensions of the model's states.
        size: bytes of each of their numbers.
        queries: of the job.
        plan: its batches.
        budget: limits of a pass.
        reads_each: bytes that each token that is read leaves in memory for every dimension of its states.
    """
    sizes = []
    for batch, tokens in zip(plan.batches, plan.tokens, strict=True):
        reads = sum(len(queries[i].reads) for i in batch)
        keys = max(budget.row_tokens, max(queries[i].tokens for i in batch)) + len(plan.head)
        masks = sum(queries[i].tokens for i in batch) * keys * (size + VISIBILITY_BYTES)
        sizes.append(PassBytes(tokens * width * size, masks + reads * width * reads_each))
    return sizes
