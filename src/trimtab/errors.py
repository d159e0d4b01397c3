"""What can go wrong, in words for people: one tree of errors, by cause.

Every error a user can cause says what is wrong, where, and what to do. The command line prints the
message without a traceback and exits with code 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

MAX_PROBLEMS_SHOWN = 50


class TrimtabError(Exception):
    """Base of all errors that trimtab raises on purpose."""


class DataError(TrimtabError):
    """Something is wrong with pairs; `problems` holds every finding, each as `file:line: what is wrong`.

    The message shows the first of them only, as a file of the wrong kind has a problem on every line.
    """

    def __init__(self, problems: str | Sequence[str]):
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(shortened(self.problems)))


class UnreachableError(DataError):
    """Pairs are on the hub, and the hub cannot be reached."""


def shortened(problems: Sequence[str], limit: int = MAX_PROBLEMS_SHOWN) -> list[str]:
    """The first problems, and how many more there are."""
    rest = len(problems) - limit
    return list(problems) if rest <= 0 else [*problems[:limit], f"… and {rest} more"]


class ModelError(TrimtabError):
    """A model cannot be found, loaded or understood."""


class VectorError(TrimtabError):
    """A vector file is broken, or a vector does not fit the model or the other vector."""


class SettingError(TrimtabError):
    """An option, a strength, a layer or a study file asks for something impossible."""


class RunError(TrimtabError):
    """A run folder cannot be written, read or continued."""


class IncompleteRun(RunError):
    """A run is done but for what the message names, which a model or its data refused; the rest is in its folder."""

    def __init__(self, told: str, folder: Path):
        super().__init__(told)
        self.folder = folder


class JudgeDeclined(TrimtabError):
    """A judge cannot be relied on for these pairs: the message says why."""


class ServingError(TrimtabError):
    """A server cannot write a reply, for a reason that is none of the request's."""


class QueueFull(ServingError):
    """More requests wait than a server takes; `retry_after` seconds from now there may be room."""

    def __init__(self, problem: str, retry_after: float):
        super().__init__(problem)
        self.retry_after = retry_after


class ServerStopping(ServingError):
    """A server takes no more requests."""


class EngineFailed(ServingError):
    """The engine broke off while it wrote this reply and others; the server continues with a new one."""


class EngineLost(EngineFailed):
    """The engine failed and cannot be started anew: the server has to be started again."""


class JobTimeout(ServingError):
    """A reply was not finished within the time it was given."""


class JobCancelled(ServingError):
    """A reply was cancelled before it was finished."""


class TrimtabWarning(UserWarning):
    """A result may not mean what it seems to: the message says why."""
