"""Generation requests: prompt, steering and sampling of a text, and the text while it is generated."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from trimtab.data import Message
from trimtab.errors import ModelError, SettingError
from trimtab.models.overflow import not_finite
from trimtab.steering import Intervention

Finish = Literal["end", "stop", "length"]
"""Why a text ended: the model ended it, the caller's `stop` did, or it reached its number of tokens."""

Prompt = str | Sequence[Message]
"""A message, or a conversation."""


@dataclass(frozen=True)
class Sampling:
    """Draw tokens instead of taking the likeliest; a row's text depends on its seed, not on the rest of its batch."""

    seed: int
    temperature: float = 1.0
    top_p: float = 1.0
    """Draw from the likeliest tokens that have this probability together (Holtzman et al. 2020)."""

    def __post_init__(self) -> None:
        """Refuse values that are out of range or contradict each other."""
        if not self.temperature > 0:
            raise SettingError(f"temperature {self.temperature} is not above 0; for greedy answers leave sampling out")
        if not 0 < self.top_p <= 1:
            raise SettingError(f"top_p {self.top_p} is not between 0 and 1")


@dataclass(frozen=True, eq=False)
class Request:
    """A prompt to generate from, with its steering and sampling."""

    prompt: tuple[int, ...]
    intervention: Intervention | None = None
    max_new_tokens: int = 128
    sampling: Sampling | None = None
    """None: greedy."""
    stop: Callable[[str], bool] | None = None
    """Called with the text after each token; True ends it."""

    def __post_init__(self) -> None:
        """Refuse values that are out of range or contradict each other."""
        if self.max_new_tokens < 1:
            raise SettingError(f"max_new_tokens is {self.max_new_tokens}; it takes at least one")
        if not self.prompt:
            raise SettingError("an empty prompt cannot be continued: the model needs a token to begin with")

    @property
    def most_tokens(self) -> int:
        """Length that prompt and reply can reach together."""
        return len(self.prompt) + self.max_new_tokens


@dataclass(frozen=True)
class Reply:
    """A finished text."""

    text: str
    tokens: tuple[int, ...]
    """Without the token that ended it."""
    finish: Finish


class Writing:
    """A text while it is being written."""

    def __init__(self, request: Request, ends: Collection[int], decode: Callable[[list[int]], str]):
        self.request, self.ends, self.decode = request, ends, decode
        self.tokens: list[int] = []
        self.finish: Finish | None = None
        if request.sampling is not None:
            self._source = torch.Generator().manual_seed(request.sampling.seed)

    def draw(self, logits: Tensor, sampling: Sampling) -> int:
        """A token drawn from its logits [vocabulary]."""
        probabilities, order = (logits.cpu().double() / sampling.temperature).softmax(-1).sort(descending=True)
        before = probabilities.cumsum(-1) - probabilities
        nucleus = probabilities * (before < sampling.top_p)
        place = torch.rand((), generator=self._source, dtype=torch.float64) * nucleus.sum()
        return int(order[torch.searchsorted(nucleus.cumsum(-1), place, right=True).clamp(max=len(order) - 1)])

    def add(self, token: int) -> bool:
        """Take in a token; True when the text is finished."""
        if token in self.ends:
            self.finish = "end"
            return True
        self.tokens.append(token)
        if self.request.stop is not None and self.request.stop(self.text):
            self.finish = "stop"
        elif len(self.tokens) == self.request.max_new_tokens:
            self.finish = "length"
        return self.finish is not None

    @property
    def text(self) -> str:
        """What has been written. Half of a character at its end waits for its other bytes."""
        return self.decode(self.tokens).rstrip("\ufffd")

    def reply(self) -> Reply:
        """The finished text."""
        assert self.finish is not None
        return Reply(self.text.strip(), tuple(self.tokens), self.finish)


def choose(writings: Sequence[Writing], logits: Tensor) -> list[int]:
    """The next token of each row, from logits [rows, vocabulary]; the likeliest ones in one go.

    Raises:
        ModelError: when the logits of a row that is being written are not finite.
        SettingError: when that row is steered.
    """
    top, order = logits.max(-1)  # NaN where any is, infinite where any overflows
    chosen: list[int] = order.tolist()
    for row, (writing, highest) in enumerate(zip(writings, top.tolist(), strict=True)):
        if writing.finish is not None:
            continue
        if not math.isfinite(highest):
            raise _overflow(writing.request.intervention, logits.dtype)
        if writing.request.sampling is not None:
            chosen[row] = writing.draw(logits[row], writing.request.sampling)
    return chosen


def _overflow(intervention: Intervention | None, dtype: torch.dtype) -> ModelError | SettingError:
    problem = not_finite("the logits of the next token", dtype)
    if intervention is None:
        return ModelError(problem)
    layers = ", ".join(map(str, intervention.layers))
    return SettingError(
        f"steered at layer {layers} with strength {intervention.strength:g} ({intervention.scale}), {problem}; "
        "or use a smaller strength"
    )
