"""Errors that stop one model of a study, or one of its behaviors, while the others continue."""

from __future__ import annotations

from collections.abc import Mapping

from trimtab.errors import IncompleteRun, RunError, TrimtabError
from trimtab.store.run_folder import RunFolder


def raise_errors(errors: Mapping[str, Exception], models: int, folder: RunFolder) -> None:
    """Raise the errors that stopped models as one, after the other models are done.

    Args:
        errors: The error that stopped each model, by its label; nothing is raised for none.
        models: Number of models of the study. With several, messages name the model.
        folder: The run.

    Raises:
        IncompleteRun: When other models or behaviors have results.
        TrimtabError: When nothing has.
    """
    if not errors:
        return
    error, *more = errors.values()
    message = "\n".join(with_model(label, one) if models > 1 else str(one) for label, one in errors.items())
    if has_results(folder) and all(isinstance(one, TrimtabError) for one in errors.values()):
        raise IncompleteRun(message, folder.path) from error
    if more:
        raise RunError(message) from error
    if isinstance(error, TrimtabError) and models > 1:
        raise type(error)(message) from None
    raise error


def has_results(folder: RunFolder) -> bool:
    """Whether there is anything to report on."""
    return folder.parts("samples") is not None or bool(folder.manifest().cached_tables)


def with_model(label: str, error: Exception) -> str:
    """The message of an error, with the name of the model."""
    message = str(error) if isinstance(error, TrimtabError) else f"{type(error).__name__}: {last_line(error)}"
    return message if message.startswith(label) else f"{label}: {message}"


def last_line(error: Exception) -> str:
    """The last line of an error's message, where Ray puts the cause, below the worker's traceback."""
    lines = str(error).strip().splitlines()
    return lines[-1].strip() if lines else type(error).__name__
