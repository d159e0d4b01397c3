"""Examples at the end of each command's help."""

from __future__ import annotations

TITLE = "Example:"


def example(*lines: str) -> str:
    """The end of a command's help: what a person could type, a line each, which click must not wrap."""
    return "\n".join(["\b", TITLE, *(f"  {line}" for line in lines)])
