"""Types of callbacks: how long work reports its progress."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called with (done, total)."""

NamedProgress = Callable[[str, int, int], None]
"""Called with (what is worked on, done, total): work of several stages."""


class Noted(int):
    """A count of done work with a note that is shown beside it, such as the loss of a training: a plain int else."""

    note: str

    def __new__(cls, done: int, note: str) -> Noted:
        """Make the count."""
        count = super().__new__(cls, done)
        count.note = note
        return count

    def __reduce__(self) -> tuple[type[Noted], tuple[int, str]]:
        """For pickling: counts of other processes are reported, too."""
        return Noted, (int(self), self.note)


def note_of(done: int) -> str:
    """What is shown beside a count; empty for a plain one."""
    return done.note if isinstance(done, Noted) else ""


class StepName(str):
    """The name of a step, such as `sweep cheerful in smollm2-135m`: a plain string that knows more about the step.

    Args:
        what: What is done, without the model.
        unit: What the step counts, in the plural, such as `scores`; empty where nothing worth showing is counted.
        model: The model that it is done in; empty where none is.
        key: Key of the planned step that it is a part of; the whole name by default.
    """

    short: str
    """The name without the model."""
    unit: str
    key: str

    def __new__(cls, what: str, unit: str = "", *, model: str = "", key: str = "") -> StepName:
        """Make the name."""
        name = super().__new__(cls, f"{what} in {model}" if model else what)
        name.short, name.unit, name.key = what, unit, key or str(name)
        return name
