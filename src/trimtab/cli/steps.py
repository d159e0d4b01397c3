"""The steps of a piece of work, as its progress reports them: what is done, how long it took, how long it will take."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from trimtab._util.callbacks import Noted, StepName, note_of
from trimtab._util.durations import duration
from trimtab.study.step_names import TimedStep

PRIOR = 0.1
"""Share of the whole for which the estimate is trusted as it is, before measured time corrects it."""

MAX_GUESSED = 0.9
"""Share of a step that may be taken for done because of the time that went by."""


@dataclass
class StepRecord:
    """One step."""

    name: str
    began: float
    done: int = 0
    total: int = 0
    ended: float | None = None
    note: str = ""
    """What was last reported beside the count."""
    was_done: bool = False
    """Whether nothing was left to do when it was first reported."""

    def line(self, now: float, *, models: int = 2) -> str:
        """The step in a line: sweep cheerful: 192 of 192 scores, 41 s.

        Args:
            now: The time now.
            models: How many models are worked on; with one alone its name is left out.
        """
        named = self.name if isinstance(self.name, StepName) else StepName(self.name)
        name = named.short if models == 1 else str(named)
        if self.was_done and not named.unit:
            return name
        count = f"{self.done:,} of {self.total:,} {named.unit}, " if named.unit else ""
        note = f"{self.note}, " if self.note else ""
        took = "already there" if self.was_done else duration((self.ended or now) - self.began)
        return f"{name}: {count}{note}{took}"


class Steps:
    """All steps of a piece of work.

    Args:
        expected: What a plan expects, by the key of each step, in the order of the work; empty where there is no plan.
        ordered: Whether a step is finished, or was not needed, once a later one begins. Not on Ray.
        clock: The time in seconds.
    """

    def __init__(
        self,
        expected: Mapping[str, TimedStep] | None = None,
        *,
        ordered: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.expected = dict(expected or {})
        self.ordered, self.clock = ordered, clock
        self.records: dict[str, StepRecord] = {}
        self.began = clock()
        self._places = {key: place for place, key in enumerate(self.expected)}
        self._last = -1

    def update(self, name: str, done: int, total: int) -> StepRecord:
        """Take in a report; the record's `ended` is set once the step is done."""
        now = self.clock()
        if name not in self.records:
            self.records[name] = StepRecord(name, now, was_done=done >= total)
            self._last = max(self._last, self._places.get(_key(name), -1))
        record = self.records[name]
        record.done, record.total = int(done), total
        if isinstance(done, Noted):  # an empty note takes the last one away
            record.note = note_of(done)
        record.ended = now if done >= total else None
        return record

    @property
    def running(self) -> list[StepRecord]:
        """Those that have begun and are not done."""
        return [record for record in self.records.values() if record.ended is None]

    @property
    def share(self) -> float:
        """How much of the expected work is done, from 0 to 1."""
        done, total = self._work()
        return min(1.0, done / total) if total else 0.0

    @property
    def seconds_left(self) -> float:
        """Expected seconds until the end, corrected by the time that steps took so far."""
        done, total = self._work()
        prior = PRIOR * total
        pace = (self.clock() - self.began + prior) / (done + prior) if total else 0.0
        return max(0.0, total - done) * pace

    def _work(self) -> tuple[float, float]:
        """Expected seconds that are done, and all that are needed: steps that were passed over cost nothing."""
        shares = self._shares()
        done = total = 0.0
        for place, (key, step) in enumerate(self.expected.items()):
            passed = self.ordered and place < self._last
            if passed and key not in shares:
                continue
            total += step.seconds
            done += step.seconds * (1.0 if passed else shares.get(key, 0.0))
        return done, total

    def _shares(self) -> dict[str, float]:
        """How much of each expected step that has begun is done; several reported steps may be parts of one."""
        sums: dict[str, tuple[float, int]] = {}
        for record in self.records.values():
            done, total = sums.get(_key(record.name), (0.0, 0))
            sums[_key(record.name)] = done + self._done(record), total + record.total
        counts = {key: self.expected[key].count for key in sums if key in self.expected}
        return {key: min(1.0, sums[key][0] / max(1, count, sums[key][1])) for key, count in counts.items()}

    def _done(self, record: StepRecord) -> float:
        """How much of a step is done; one that counts nothing is taken to need the time that is expected of it."""
        step = self.expected.get(_key(record.name))
        if record.total != 1 or record.ended is not None or step is None or not step.seconds:
            return record.done
        return min(MAX_GUESSED, (self.clock() - record.began) / step.seconds)


def _key(name: str) -> str:
    return name.key if isinstance(name, StepName) else name
