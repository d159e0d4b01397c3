"""Where a push acts: how far the distribution at each token of a reply is from the unsteered one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from trimtab.data import Message
from trimtab.engines import Model
from trimtab.errors import DataError, SettingError
from trimtab.models import Backbone, Text
from trimtab.models.prompting.encoding import encode
from trimtab.models.prompting.rendering import gap_after, render_prompt
from trimtab.steering import Intervention, PromptGate

MAX_REPLY_TOKENS = 2048
MAX_TOP = 10
_TOKENS_AT_ONCE = 64
"""Whole distributions are held for this many tokens."""


class LikelyToken(NamedTuple):
    """One of the likeliest tokens at a place."""

    token: str
    logprob: float


@dataclass(frozen=True)
class ComparedToken:
    """A token of a reply, under steering and without."""

    token: str
    kl: float
    """Nats from the unsteered distribution: D(p ‖ q), p the steered and q the unsteered one, as doses are measured."""
    steered: float
    """Log-probability of the token."""
    unsteered: float
    top_steered: tuple[LikelyToken, ...]
    top_unsteered: tuple[LikelyToken, ...]

    def json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "token": self.token,
            "kl": self.kl,
            "logprob_steered": self.steered,
            "logprob_unsteered": self.unsteered,
            "top_steered": [one._asdict() for one in self.top_steered],
            "top_unsteered": [one._asdict() for one in self.top_unsteered],
        }


class ReadReply(NamedTuple):
    """A reply behind its prompt, and the text of each of its tokens."""

    text: Text
    pieces: tuple[str, ...]


Reply = str | tuple[int, ...]
"""A text, or the tokens that it was written in: a text may be written in others than the tokenizer makes of it."""


def compare_tokens(
    model: Model,
    messages: Sequence[Message],
    reply: Reply,
    intervention: Intervention | None,
    *,
    unsteered_messages: Sequence[Message] | None = None,
    top: int = 5,
    most_tokens: int | None = None,
) -> list[ComparedToken]:
    """Read a reply with and without steering, token by token.

    Args:
        model: from `trimtab.load`.
        messages: the conversation before the reply.
        reply: its tokens as they were written; or its text, which is read in the tokens that the model's tokenizer
            makes of it.
        intervention: what steers; None where only the conversations differ.
        unsteered_messages: the conversation of the unsteered model where it is another, without a system prompt say.
        top: how many of the likeliest tokens to give at each place.
        most_tokens: of a conversation and its reply; None for what the model itself takes.

    Raises:
        DataError: for a reply without tokens, texts with too many, and for conversations that the model does not take.
        SettingError: for a push that cannot change anything there.
    """
    backbone = _with_states(model)
    moved = _read(model, messages, reply, most_tokens)
    cells = [] if intervention is None else [intervention]
    states = dict(model.final_states([moved.text], cells))[0]
    still = states[0]
    if unsteered_messages is not None and list(unsteered_messages) != list(messages):
        plain = _read(model, unsteered_messages, reply, most_tokens)
        if _reply_tokens(plain) != _reply_tokens(moved):
            raise DataError("the reply has other tokens behind the other conversation, so they cannot be compared")
        still = dict(model.final_states([plain.text], []))[0][0]
    return _compared(backbone, moved, states[-1], still, top)


def opens(
    model: Model, gate: PromptGate, messages: Sequence[Message], reply: Reply, *, most_tokens: int | None = None
) -> bool:
    """Whether the prompt of a reply meets a condition, where `compare_tokens` would read the reply.

    Args:
        model: from `trimtab.load`.
        gate: the condition.
        messages: the conversation before the reply.
        reply: as `compare_tokens` has it.
        most_tokens: as `compare_tokens` has it.

    Raises:
        DataError: as `compare_tokens`, before anything is run.
        SettingError: for an engine without states, and a prompt of one token.
    """
    _with_states(model)
    _read(model, messages, reply, most_tokens)
    (opened,) = model.opened(gate, [messages])
    return opened


def is_text_of(tokenizer: Any, tokens: Sequence[int], text: str) -> bool:
    """Whether some tokens are a text, space at its ends and half of a character at its end aside."""
    whole = tokenizer.decode(list(tokens), skip_special_tokens=True)
    return bool(whole.rstrip("\ufffd").strip() == text.rstrip("\ufffd").strip())


def tokens_of(model: Model, messages: Sequence[Message], reply: str) -> tuple[int, ...]:
    """The tokens of a reply's text behind a conversation: of the whole text, or its own where the two merge."""
    tokenizer, asking = model.backbone.tokenizer, model.asking
    prompt = model.tokens(messages)
    before = render_prompt(tokenizer, list(messages), asking) + gap_after(tokenizer, list(messages), asking)
    whole = tuple(encode(tokenizer, before + reply, asking))
    return whole[len(prompt) :] if whole[: len(prompt)] == prompt else tuple(_alone(tokenizer, reply))


def _with_states(model: Model) -> Backbone:
    if not isinstance(model.backbone, Backbone):
        raise SettingError(f"tokens cannot be compared: the engine of {model.name} gives no states")
    return model.backbone


def _read(model: Model, messages: Sequence[Message], reply: Reply, most: int | None) -> ReadReply:
    """The reply behind its prompt."""
    tokenizer, prompt = model.backbone.tokenizer, model.tokens(messages)
    own = tokens_of(model, messages, reply) if isinstance(reply, str) else reply
    tokens = (*prompt, *own)
    count = len(tokens) - len(prompt)
    if not count:
        raise DataError("the reply has no tokens")
    if count > MAX_REPLY_TOKENS:
        raise DataError(f"the reply has {count:,} tokens; {MAX_REPLY_TOKENS:,} are the most that are compared")
    if most is not None and len(tokens) > most:
        raise DataError(
            f"the conversation and the reply have {len(tokens):,} tokens, and {model.name} takes {most:,} here; "
            "shorten them"
        )
    return ReadReply(Text(tokens, len(prompt)), _pieces(tokenizer, tokens[len(prompt) :]))


def _alone(tokenizer: Any, reply: str) -> list[int]:
    return list(tokenizer(reply, add_special_tokens=False)["input_ids"])


def _reply_tokens(read: ReadReply) -> tuple[int, ...]:
    return read.text.tokens[read.text.prompt_length :]


def _pieces(tokenizer: Any, tokens: Sequence[int]) -> tuple[str, ...]:
    """The text that each token adds: part of a character shows with the token that completes it."""
    pieces = []
    for end in range(1, len(tokens) + 1):
        # Only the last tokens decide how a token reads; decoding all of them each time would take quadratic time.
        start = max(0, end - 16)
        before = tokenizer.decode(list(tokens[start : end - 1])).rstrip("\ufffd")
        now = tokenizer.decode(list(tokens[start:end])).rstrip("\ufffd")
        pieces.append(now[len(before) :] if now.startswith(before) else tokenizer.decode([tokens[end - 1]]))
    return tuple(pieces)


@torch.no_grad()
def _compared(backbone: Backbone, read: ReadReply, moved: Tensor, still: Tensor, top: int) -> list[ComparedToken]:
    """Compare states [tokens, d_model] that decide about the tokens of the reply."""
    found: list[ComparedToken] = []
    tokens = torch.tensor(_reply_tokens(read))
    decode = backbone.tokenizer.decode
    for start in range(0, len(tokens), _TOKENS_AT_ONCE):
        part = slice(start, start + _TOKENS_AT_ONCE)
        p, q = (_log_distribution(backbone, states[part]) for states in (moved, still))
        # Rounding may leave a divergence of −1e-7 where nothing moved.
        kl = (p.exp() * (p - q)).sum(-1).clamp(min=0)
        taken = tokens[part, None].to(p.device)
        own = [one.gather(1, taken)[:, 0].tolist() for one in (p, q)]
        likely = [_likeliest(one, top, decode) for one in (p, q)]
        columns = zip(read.pieces[part], kl.tolist(), *own, *likely, strict=True)
        found += [ComparedToken(*(_shown(value) for value in row)) for row in columns]
    return found


def _log_distribution(backbone: Backbone, states: Tensor) -> Tensor:
    return backbone.logits(states.to(backbone.device)).float().log_softmax(-1)


def _likeliest(logprobs: Tensor, top: int, decode: Any) -> list[tuple[LikelyToken, ...]]:
    values, ids = logprobs.topk(min(top, logprobs.shape[-1]))
    return [
        tuple(LikelyToken(decode([token]), _shown(value)) for token, value in zip(*row, strict=True))
        for row in zip(ids.tolist(), values.tolist(), strict=True)
    ]


def _shown(value: Any) -> Any:
    """A number with the digits that float32 has."""
    return float(f"{value:.6g}") if isinstance(value, float) else value
