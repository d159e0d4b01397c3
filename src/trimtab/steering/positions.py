"""Positions: which tokens of a text are pushed, as a small grammar.

A window or a phase of the reply pushes the tokens that *predict* its tokens, as `after_prompt` does: the first token of
the reply is predicted by the last token of the prompt. So `first:N` and `after:N` part `after_prompt` in two, and so do
`thinking` and `response` from where it is known whether the reply thinks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import torch
from torch import Tensor

from trimtab._util.suggest import suggestion
from trimtab.errors import SettingError

Positions: TypeAlias = str
"""As people write it; see `POSITIONS`."""

POSITIONS: Mapping[str, str] = {
    "all": "every token",
    "prompt": "the prompt's tokens",
    "after_prompt": "from the last prompt token on, so that the first generated token is already steered",
    "generated": "from the first token after the prompt on",
    "first:N": "the tokens that predict the first N tokens of the reply: the last prompt token and N − 1 more",
    "after:N": "the tokens that predict the reply behind its first N tokens",
    "thinking": "the tokens that predict the thinking of a model that thinks, from where it is open on",
    "response": "the tokens that predict the reply itself: from the end of the thinking on, or all of it",
    "tokens:I,J": "these tokens, counted from 0; negative ones from the end of the prompt: tokens:3,5,-1",
}
"""Every form of positions, and the tokens that it pushes."""

THINKING, RESPONSE = 1, 2
"""Phases of a reply behind a token; 0: neither."""

_MAX_TOKENS, _MAX_INDICES = 1 << 31, 1_000
_WINDOW = re.compile(r"(first|after):(\d{1,10})")
_TOKENS = re.compile(r"tokens:(-?\d{1,10}(?:,-?\d{1,10})*)")
POSITIONS_PATTERN = (
    r"all|prompt|after_prompt|generated|thinking|response|(first|after):[1-9]\d{0,9}|tokens:-?\d{1,10}(,-?\d{1,10})*"
)
"""What `PositionPolicy.text` looks like."""


@dataclass(frozen=True)
class PositionPolicy:
    """Positions, parsed."""

    kind: str
    """Their first word."""
    count: int = 0
    """N of `first:N` and `after:N`."""
    indices: tuple[int, ...] = ()
    """Of `tokens:`, those from the beginning first, each list rising."""

    @property
    def text(self) -> str:
        """Written in one way only: equal policies have equal texts."""
        if self.kind in ("first", "after"):
            return f"{self.kind}:{self.count}"
        return f"tokens:{','.join(map(str, self.indices))}" if self.kind == "tokens" else self.kind

    @property
    def needs_prompt(self) -> bool:
        """Whether it depends on where the prompt ends, or on its having been run under the same steering."""
        return self.kind != "all"

    @property
    def names_prompt(self) -> bool:
        """Whether it means the prompt by itself, so that a prompt that was run before is too late to be pushed."""
        return self.kind in ("prompt", "tokens")

    @property
    def reads_tokens(self) -> bool:
        """Whether it depends on what the tokens are, and not only on where they stand."""
        return self.kind in ("thinking", "response")

    @property
    def may_push_prompt(self) -> bool:
        """Whether some token of a prompt may be pushed."""
        return self.kind not in ("generated", "after")

    @property
    def may_push_reply(self) -> bool:
        """Whether some token of a reply may be pushed."""
        return self.kind != "prompt"

    @property
    def pushes_whole_reply(self) -> bool:
        """Whether every token of every reply is pushed."""
        return self.kind in ("all", "after_prompt", "generated")

    @property
    def may_push_text(self) -> bool:
        """Whether some token of a text without a prompt may be pushed."""
        return self.kind not in ("prompt", "thinking") and (self.kind != "tokens" or max(self.indices) >= 0)

    @property
    def may_miss(self) -> bool:
        """Whether a text may have no token that is pushed, however long its prompt is."""
        return self.kind in ("after", "thinking", "response", "tokens")


def parse_positions(text: str) -> PositionPolicy:
    """What a text says, as one of the forms of `POSITIONS`.

    Raises:
        SettingError: for anything else.
    """
    if not isinstance(text, str):
        raise SettingError(f"positions {text!r} is unknown; it is one of {', '.join(POSITIONS)}")
    return _parsed(text)


@lru_cache(maxsize=1024)
def _parsed(text: str) -> PositionPolicy:
    if text in POSITIONS:
        if ":" not in text:
            return PositionPolicy(text)
    elif window := _WINDOW.fullmatch(text):
        count = int(window[2])
        if not 1 <= count <= _MAX_TOKENS:
            instead = "; after_prompt pushes for the whole reply" if text.startswith("after") else ""
            raise SettingError(f"positions {text!r}: N is a number of tokens from 1 on{instead}")
        return PositionPolicy(window[1], count)
    elif listed := _TOKENS.fullmatch(text.replace(" ", "")):
        indices = {int(index) for index in listed[1].split(",")}
        if len(indices) > _MAX_INDICES or max(map(abs, indices)) > _MAX_TOKENS:
            raise SettingError(f"positions tokens: takes up to {_MAX_INDICES:,} numbers of tokens")
        return PositionPolicy("tokens", indices=tuple(sorted(indices, key=lambda index: (index < 0, index))))
    known = [name.partition(":")[0] for name in POSITIONS]
    near = suggestion(text.partition(":")[0], known)
    raise SettingError(f"positions {text[:80]!r} is unknown{near}; it is one of {', '.join(POSITIONS)}")


def valid_positions(text: str) -> str:
    """The text in the one way of writing it, for settings that pydantic validates.

    Raises:
        ValueError: for no positions.
    """
    try:
        return parse_positions(text).text
    except SettingError as error:
        raise ValueError(str(error).removeprefix("positions ")) from None


def require_first_token(policy: PositionPolicy, first_token: bool) -> None:
    """Refuse `tokens:0` where the first token is left out: it would push nothing.

    Raises:
        SettingError: with what to give.
    """
    if 0 in policy.indices and not first_token:
        raise SettingError(
            f"positions {policy.text!r} names token 0, the attention sink, which is pushed only with first_token; give "
            "that too, or leave 0 out"
        )


def is_steered(
    policy: Positions,
    position: Tensor,
    prompt_length: Tensor,
    first_token: bool = False,
    phase: Tensor | None = None,
) -> Tensor:
    """Which tokens positions push.

    Args:
        policy: a form of `POSITIONS`.
        position: absolute position of each token in its sequence, 0 for the first, [...].
        prompt_length: tokens of the prompt, broadcastable to `position`.
        first_token: whether position 0, the attention sink, may be pushed.
        phase: for `thinking` and `response`: `THINKING`, `RESPONSE` or 0 behind each token, like `position`.

    Returns:
        Boolean tensor like `position`.
    """
    where = parse_positions(policy)
    behind = position - prompt_length
    if where.kind == "after_prompt":
        chosen = behind >= -1
    elif where.kind == "generated":
        chosen = behind >= 0
    elif where.kind == "prompt":
        chosen = behind < 0
    elif where.kind == "first":
        chosen = (behind >= -1) & (behind < where.count - 1)
    elif where.kind == "after":
        chosen = behind >= where.count - 1
    elif where.kind == "tokens":
        chosen = torch.zeros_like(behind, dtype=torch.bool)
        for index in where.indices:
            chosen = chosen | (position == index if index >= 0 else behind == index)
    elif where.reads_tokens:
        assert phase is not None, "a phase depends on tokens"
        chosen = (behind >= -1) & (phase == (THINKING if where.kind == "thinking" else RESPONSE))
    else:
        chosen = position >= 0
    return chosen if first_token else chosen & (position != 0)


def steered_spans(policy: Positions, prompt_length: int, first_token: bool = False) -> list[tuple[int, int | None]]:
    """The tokens that positions push, as `is_steered` marks them: stretches from, and up to; None: to the end.

    Raises:
        SettingError: for phases of a reply, which depend on its tokens.
    """
    where = parse_positions(policy)
    if where.reads_tokens:
        raise SettingError(
            f"positions {policy} depend on the tokens of the reply; no stretch of tokens stands for them"
        )
    earliest = 0 if first_token else 1
    if where.kind == "tokens":
        places = {index if index >= 0 else prompt_length + index for index in where.indices}
        return [(place, place + 1) for place in sorted(places) if place >= earliest]
    spans: dict[str, tuple[int, int | None]] = {
        "all": (0, None),
        "prompt": (0, prompt_length),
        "after_prompt": (prompt_length - 1, None),
        "generated": (prompt_length, None),
        "first": (prompt_length - 1, prompt_length - 1 + where.count),
        "after": (prompt_length - 1 + where.count, None),
    }
    begin, end = spans[where.kind]
    begin = max(begin, earliest)
    return [] if end is not None and begin >= end else [(begin, end)]
