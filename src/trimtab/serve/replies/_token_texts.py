"""What a token adds to a text: many decoders drop the space before a token that they are given alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

_TAIL = 4
"""Tokens before one that are decoded with it: enough for the bytes of one character."""


class TokenTexts:
    """Follows a text token by token.

    Args:
        tokenizer: of the model.
        before: tokens that the text stands behind.
    """

    def __init__(self, tokenizer: Any, before: Sequence[int]):
        self._decode = tokenizer.decode
        self._tail = list(before[-_TAIL:])
        self._characters = 0

    def of(self, token: int) -> str:
        """What a token would add next; the replacement character where it is a part of one."""
        before, with_it = self._both(token, skip_special_tokens=False)
        return with_it[len(before) :] if with_it.startswith(before) else str(self._decode([token]))

    def add(self, token: int) -> tuple[str, int]:
        """Take in the next token; returns what it adds, and at which character of the text that begins."""
        added, start = self.of(token), self._characters
        before, with_it = (text.rstrip("\ufffd") for text in self._both(token, skip_special_tokens=True))
        self._characters += len(with_it) - len(before)
        self._tail = [*self._tail, token][-_TAIL:]
        # Bytes before it that have turned out to be no character stand there as one.
        return added, start if "\ufffd" in added else max(start, self._characters - len(added))

    def _both(self, token: int, **options: bool) -> tuple[str, str]:
        """The last tokens' text without a token and with it."""
        found = (self._decode(tokens, **options) for tokens in (self._tail, [*self._tail, token]))
        before, with_it = found
        return before, with_it


def text_behind(decode: Callable[[list[int]], str], before: Sequence[int], tokens: Sequence[int]) -> str:
    """The text of some tokens as a continuation of others, with the space at its beginning.

    Half of a character at its end waits for its other bytes.
    """
    tail = list(before[-_TAIL:])
    start, whole = decode(tail), decode([*tail, *tokens])
    text = whole[len(start) :] if whole.startswith(start) else decode(list(tokens))
    return text.rstrip("\ufffd")
