"""Fences around material of unknown intent in a prompt."""

from __future__ import annotations

import re


def fenced(title: str, text: str, note: str = "") -> str:
    """Put text between fences that it cannot close, whatever it contains.

    Args:
        title: Stands at both fences.
        text: The material; runs of three or more angle brackets in it are replaced by lookalikes.
        note: Follows the closing fence.
    """
    inside = re.sub(r"<{3,}", lambda run: "‹" * len(run[0]), text)
    inside = re.sub(r">{3,}", lambda run: "›" * len(run[0]), inside)
    return f"<<<{title}\n{inside}\n{title}>>>\n{note}"
