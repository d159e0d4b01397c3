"""Errors that vLLM raises in this process, as messages for people."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trimtab.errors import ModelError, TrimtabError


@contextmanager
def engine_errors(doing: str = "") -> Iterator[None]:
    """Turn what a running engine raises into errors of ours.

    Args:
        doing: what fails, where every failure is reported and not only the engine's death.

    Raises:
        ModelError: when the engine has died, or cannot do what it was doing.
    """
    from vllm.v1.engine.exceptions import EngineDeadError

    try:
        yield
    except TrimtabError:
        raise
    except EngineDeadError as error:
        raise dead_engine() from error
    except Exception as error:
        if not doing:
            raise
        raise ModelError(f"vLLM's workers fail at {doing}: {error}") from error


def dead_engine() -> ModelError:
    """For an engine whose processes have ended."""
    return ModelError(f"the vLLM engine has died; {_log_location()}")


def reason(error: BaseException) -> str:
    """Why an engine does not start: the line that says it, and what to do where vLLM says only that it failed."""
    lines = [line.strip() for line in str(error).strip().splitlines() if "errors.pydantic.dev" not in line]
    line = lines[-1] if lines else type(error).__name__
    if "core initialization failed" not in line:
        return line
    return (
        f"it failed while it started; {_log_location()}, with the reason. Where that is a lack of memory: lower "
        "max_model_len, max_num_seqs or gpu_memory_utilization, or divide the model over more GPUs with "
        "tensor_parallel_size"
    )


def _log_location() -> str:
    """Where the output of vLLM's processes is: on this process's stderr, which on Ray is a file."""
    try:
        file = Path(os.readlink("/proc/self/fd/2"))
    except OSError:
        return "its output is above"
    return f"its output is in {file}" if file.is_file() else "its output is above"
