"""What becomes of replies when the engine fails: one of them, those being written, or all that will ever be asked."""

from __future__ import annotations

from trimtab.engines import Model
from trimtab.errors import EngineFailed, EngineLost, SettingError, TrimtabError


def dead_engine(model: Model) -> EngineLost | None:
    """Why the engine can run nothing any more, also where it died while nothing was written; None while it can."""
    fault = model.engine.fault()
    if not fault:
        return None
    return EngineLost(f"the engine has died and cannot be started again ({fault}); restart the server")


def lost_engine(model: Model, error: BaseException) -> EngineLost:
    """For every job, when nothing can be written any more."""
    lost = dead_engine(model) or EngineLost(
        f"the engine failed and cannot be started again ({type(error).__name__}); restart the server"
    )
    lost.__cause__ = error
    return lost


def engine_failure(error: BaseException) -> EngineFailed:
    """For the replies that were being written."""
    failure = EngineFailed(f"the engine failed while it wrote this reply: {type(error).__name__}: {error}")
    failure.__cause__ = error
    return failure


def translated(error: Exception) -> TrimtabError:
    """An error of a row, as one of trimtab's."""
    if isinstance(error, TrimtabError):
        return error
    made = SettingError(f"what decides where the reply stops failed: {type(error).__name__}: {error}")
    made.__cause__ = error
    return made
