"""The tokens by which a model opens and closes its thinking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from trimtab.errors import SettingError

_KNOWN = (
    ("<think>", "</think>"),
    ("[THINK]", "[/THINK]"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<seed:think>", "</seed:think>"),
)


@dataclass(frozen=True)
class ThinkingMarkers:
    """One token opens thinking, another one closes it."""

    begin: int
    end: int

    def last_in(self, tokens: Sequence[int]) -> int:
        """The last marker in some tokens; 0 where there is none."""
        return next((token for token in reversed(tokens) if token in (self.begin, self.end)), 0)


def thinking_markers(tokenizer: Any) -> ThinkingMarkers | None:
    """The markers of a tokenizer's vocabulary, each of them one token; None where it has none."""
    vocabulary = tokenizer.get_vocab()
    for begin, end in _KNOWN:
        if begin in vocabulary and end in vocabulary:
            return ThinkingMarkers(vocabulary[begin], vocabulary[end])
    return None


def require_thinking_markers(tokenizer: Any, name: str) -> ThinkingMarkers:
    """The markers of a model's tokenizer.

    Args:
        tokenizer: of the model.
        name: of the model, for the message.

    Raises:
        SettingError: where it has none.
    """
    markers = thinking_markers(tokenizer)
    if markers is None:
        known = ", ".join(f"{begin} and {end}" for begin, end in _KNOWN)
        raise SettingError(
            f"{name} has no single tokens that open and close thinking (such as {known}), so its thinking and the "
            "reply behind it cannot be told apart; use positions after_prompt, or token_position mean_completion"
        )
    return markers
