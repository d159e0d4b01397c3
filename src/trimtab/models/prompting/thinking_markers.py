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
    for texts in _KNOWN:
        # What is not in the vocabulary becomes None, or the token for unknown text.
        begin, end = (tokenizer.convert_tokens_to_ids(text) for text in texts)
        if None not in (begin, end) and tokenizer.convert_ids_to_tokens([begin, end]) == list(texts):
            return ThinkingMarkers(begin, end)
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
        raise _no_markers(name)
    return markers


def thinking_span(tokens: Sequence[int], prompt_length: int, markers: ThinkingMarkers | None) -> tuple[int, int]:
    """The tokens of a completion between its markers: from, and up to, the first thinking where there are several.

    A completion begins inside of its thinking where its prompt has opened it.

    Args:
        tokens: prompt and completion.
        prompt_length: tokens of the prompt.
        markers: of the model.

    Returns:
        Two equal numbers where there is no thinking. Thinking that is not closed lasts to the end.

    Raises:
        SettingError: where the model has no markers.
    """
    if markers is None:
        raise _no_markers("this model")
    completion = tokens[prompt_length:]
    end = completion.index(markers.end) if markers.end in completion else len(completion)
    if markers.begin in completion[:end]:
        start = completion.index(markers.begin) + 1
    else:
        inside = end < len(completion) or markers.last_in(tokens[:prompt_length]) == markers.begin
        start = 0 if inside else end
    return prompt_length + start, prompt_length + end


def response_start(tokens: Sequence[int], prompt_length: int, markers: ThinkingMarkers | None) -> int:
    """The first token behind all thinking of a completion: its first one, where it does not think.

    Raises:
        SettingError: where the model has no markers.
    """
    start, end = thinking_span(tokens, prompt_length, markers)
    assert markers is not None
    if start == end == len(tokens):
        return prompt_length
    closed = [index for index in range(end, len(tokens)) if tokens[index] == markers.end]
    return closed[-1] + 1 if closed else len(tokens)


def _no_markers(name: str) -> SettingError:
    known = ", ".join(f"{begin} and {end}" for begin, end in _KNOWN)
    return SettingError(
        f"{name} has no single tokens that open and close thinking (such as {known}), so its thinking and the reply "
        "behind it cannot be told apart; use positions after_prompt, or token_position mean_completion"
    )
