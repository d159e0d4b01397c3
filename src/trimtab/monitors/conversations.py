"""Conversations token by token: the message of each token, and a monitor's scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trimtab.data import Message
from trimtab.errors import DataError, ModelError
from trimtab.models import USUAL, Asking, Text, encode, gap_after, render_prompt
from trimtab.monitors._probes import Array, Scaling, probability

TEMPLATE = -1
"""In place of a message's number: the tokens of the chat template around the messages."""
_PLACE = "trimtab-message-stands-here"


@dataclass(frozen=True)
class Conversation:
    """A conversation, rendered and tokenized."""

    messages: tuple[Message, ...]
    text: Text
    """Its tokens; all are scored but the first, the attention sink."""
    pieces: tuple[str, ...]
    """The text of each token; joined, the conversation as rendered."""
    owner: tuple[int, ...]
    """The number of each token's message, or `TEMPLATE`."""


@dataclass(frozen=True)
class MessageScore:
    """A monitor's score of one message."""

    number: int
    """Its position in the conversation, from 0."""
    role: str
    tokens: int
    logit: float
    """Mean logit of its tokens."""
    probability: float
    """Of being positive, calibrated on texts of pairs."""


@dataclass(frozen=True, eq=False)
class TokenScores:
    """A monitor's scores of a conversation."""

    pieces: tuple[str, ...]
    """The text of each token."""
    owner: tuple[int, ...]
    """The number of each token's message; −1 for the chat template around them."""
    logit: Array
    """Of each token [tokens]; NaN at the first, which is not scored."""
    messages: tuple[MessageScore, ...]
    """In order; those without tokens are left out."""

    @property
    def probability(self) -> Array:
        """Of each token, of being from a positive text [tokens]."""
        return probability(self.logit)


def conversation(tokenizer: Any, messages: str | Sequence[Message], asking: Asking = USUAL) -> Conversation:
    """Render and tokenize a conversation; a bare text is taken as the reply to an empty message.

    The reply at the end of a conversation stands where the model's own would, as completions of pairs do.

    Raises:
        DataError: when there is nothing to score, the conversation begins with a reply, or the template refuses or
            rewrites it.
        ModelError: when the tokenizer does not tell which characters a token is made of.
    """
    if isinstance(messages, str):
        messages = [Message(role="user", content=""), Message(role="assistant", content=messages)]
    if not any(message["content"].strip() for message in messages):
        raise DataError("the text is empty: there is nothing to score")
    if messages[0]["role"] == "assistant":
        raise DataError("the conversation begins with a reply; give the message that it answers before it")
    if not tokenizer.is_fast:
        raise ModelError("this model's tokenizer does not tell which characters a token is made of")
    rendered = _rendered(tokenizer, messages, asking)
    spans = [_span(tokenizer, messages, number, rendered, asking) for number in range(len(messages))]
    tokens = encode(tokenizer, rendered, asking)
    places = tokenizer(rendered, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    places = [(0, 0)] * (len(tokens) - len(places)) + list(places)  # a base model's first token has no characters
    if len(tokens) < 2:
        raise DataError("the text is a single token, and the first token of a sequence is never read: give more text")
    owner = [_owner(place, spans) for place in places]
    owner[0] = TEMPLATE
    return Conversation(tuple(messages), Text(tuple(tokens), 1), _pieces(rendered, places), tuple(owner))


def scores(read: Conversation, logit: Array, scaling: Scaling) -> TokenScores:
    """Scores of a conversation from the logits of its tokens.

    Args:
        read: the conversation.
        logit: of its tokens from the second on [tokens − 1].
        scaling: from mean logits to those of texts.
    """
    every = np.concatenate([[np.nan], logit])
    owner = np.array(read.owner)
    found = []
    for number, message in enumerate(read.messages):
        mine = owner == number
        if mine.any():
            mean = every[mine].mean()
            odds = float(scaling.probability(mean))
            found.append(MessageScore(number, message["role"], int(mine.sum()), float(mean), odds))
    return TokenScores(read.pieces, read.owner, every, tuple(found))


def _rendered(tokenizer: Any, messages: Sequence[Message], asking: Asking) -> str:
    if messages[-1]["role"] != "assistant":
        return render_prompt(tokenizer, messages, asking)
    before = messages[:-1]
    return render_prompt(tokenizer, before, asking) + gap_after(tokenizer, before, asking) + messages[-1]["content"]


def _span(tokenizer: Any, messages: Sequence[Message], number: int, rendered: str, asking: Asking) -> tuple[int, int]:
    """Where the content of a message stands in the rendered conversation.

    Searching for the content would find it in another message, or in a template's own words.
    """
    content = messages[number]["content"].strip()
    marked = [*messages[:number], Message(role=messages[number]["role"], content=_PLACE), *messages[number + 1 :]]
    place = _rendered(tokenizer, marked, asking).find(_PLACE)
    behind = rendered[place:] if place >= 0 else ""
    # Templates drop white space around a message; the reply at the end keeps its own.
    start = place + (len(behind) - len(behind.lstrip()) if content else 0)
    if place < 0 or not rendered.startswith(content, start):
        raise DataError(f"message {number + 1}: the model's chat template leaves it out or rewrites it")
    return start, start + len(content)


def _owner(place: tuple[int, int], spans: Sequence[tuple[int, int]]) -> int:
    for number, (start, end) in enumerate(spans):
        if place[0] < end and place[1] > start:
            return number
    return TEMPLATE


def _pieces(rendered: str, places: Sequence[tuple[int, int]]) -> tuple[str, ...]:
    """Cut so that nothing is lost or doubled: several tokens may share a character, or leave one between them."""
    pieces, cut = [], 0
    for _, end in places:
        pieces.append(rendered[cut : max(cut, end)])
        cut = max(cut, end)
    return tuple(pieces)
