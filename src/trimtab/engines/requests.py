"""Generation requests: prompt, steering and sampling of a text, and the text while it is generated."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from trimtab.data import Message
from trimtab.errors import ModelError, SettingError
from trimtab.models.overflow import not_finite
from trimtab.steering import Intervention

Finish = Literal["end", "stop", "length"]
"""Why a text ended: the model ended it, the caller's `stop` did, or it reached its number of tokens."""

GREEDY_BELOW = 1e-5
"""Temperatures under this are greedy, as in vLLM: there all probability is the likeliest token's anyway."""
MAX_LOGPROBS = 20
"""Likeliest tokens that can be recorded beside each token."""

Prompt = str | Sequence[Message]
"""A message, or a conversation."""


@dataclass(frozen=True)
class Sampling:
    """Draw tokens instead of taking the likeliest; a row's text depends on its seed, not on the rest of its batch."""

    seed: int
    temperature: float = 1.0
    """Above 0; below `GREEDY_BELOW` the likeliest token is taken."""
    top_p: float = 1.0
    """Draw from the likeliest tokens that have this probability together (Holtzman et al. 2020)."""

    def __post_init__(self) -> None:
        """Refuse values that are out of range or contradict each other."""
        if not self.temperature > 0:
            raise SettingError(f"temperature {self.temperature} is not above 0; for greedy answers leave sampling out")
        if not 0 < self.top_p <= 1:
            raise SettingError(f"top_p {self.top_p} is not between 0 and 1")


@dataclass(frozen=True, eq=False)
class Watch:
    """What is read of the model's states while it writes a text, as they are steered.

    The newest token has no state yet: a reading comes with the token behind it, and the last token of a text has one
    only where the model ended it.
    """

    layers: tuple[int, ...]
    read: Callable[[Tensor], Any]
    """Called with the states of each token behind these layers, [layers, d_model] float32 on the CPU."""


def sampled(seed: int, temperature: float, top_p: float = 1.0) -> Sampling | None:
    """How tokens are drawn at a temperature; None, greedy, at 0. Those under `GREEDY_BELOW` are greedy too."""
    return Sampling(seed, temperature, top_p) if temperature else None


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
    logprobs: int | None = None
    """Record each token's log-probability, and those of this many likeliest tokens; None: neither."""
    watch: Watch | None = None
    """Read the states of each new token."""

    def __post_init__(self) -> None:
        """Refuse values that are out of range or contradict each other."""
        if self.logprobs is not None and not 0 <= self.logprobs <= MAX_LOGPROBS:
            raise SettingError(f"logprobs is {self.logprobs}; it takes 0 to {MAX_LOGPROBS}, or None for none at all")
        if self.max_new_tokens < 1:
            raise SettingError(f"max_new_tokens is {self.max_new_tokens}; it takes at least one")
        if not self.prompt:
            raise SettingError("an empty prompt cannot be continued: the model needs a token to begin with")

    @property
    def most_tokens(self) -> int:
        """Length that prompt and reply can reach together."""
        return len(self.prompt) + self.max_new_tokens


class TokenLogprob(NamedTuple):
    """How likely a token was for the steered model, before temperature and `top_p`."""

    token: int
    logprob: float
    """Natural logarithm of its probability."""
    top: tuple[tuple[int, float], ...] = ()
    """(token, logprob) of the likeliest tokens, likeliest first."""


@dataclass(frozen=True)
class Reply:
    """A finished text."""

    text: str
    tokens: tuple[int, ...]
    """Without the token that ended it."""
    finish: Finish
    logprobs: tuple[TokenLogprob, ...] = ()
    """Of each token, where they were asked for."""


class Writing:
    """A text while it is being written."""

    def __init__(self, request: Request, ends: Collection[int], decode: Callable[[list[int]], str]):
        self.request, self.ends, self.decode = request, ends, decode
        self.tokens: list[int] = []
        self.logprobs: list[TokenLogprob] = []
        """Of each token, where the request asks for them."""
        self.readings: list[Any] = []
        """What the request's watch has made of each token that has been run."""
        self.finish: Finish | None = None
        self.error: Exception | None = None
        """Why it could not be finished: its push overflows, say, or changes nothing."""
        self.cancelled = False
        """Whether nobody waits for it any more."""
        if request.sampling is not None:
            self._source = torch.Generator().manual_seed(request.sampling.seed)

    def draw(self, logits: Tensor, sampling: Sampling) -> int:
        """A token drawn from its logits [vocabulary].

        Tokens stand in the order of their numbers: in that of their probabilities, rounding that swaps two of them
        would change the draw.
        """
        probabilities = (logits.cpu().double() / sampling.temperature).softmax(-1)
        if sampling.top_p < 1:
            sizes, order = probabilities.sort(descending=True)
            before = sizes.cumsum(-1) - sizes
            probabilities[order[before >= sampling.top_p]] = 0
        ends = probabilities.cumsum(-1)
        place = torch.rand((), generator=self._source, dtype=torch.float64) * ends[-1]
        last = torch.searchsorted(ends, ends[-1])  # behind it nothing has any probability
        return int(torch.searchsorted(ends, place, right=True).clamp(max=last))

    def add(self, token: int, logprob: TokenLogprob | None = None) -> None:
        """Take in a token."""
        if token in self.ends:
            self.finish = "end"
            return
        self.tokens.append(token)
        if logprob is not None:
            self.logprobs.append(logprob)
        try:
            stopped = self.request.stop is not None and self.request.stop(self.text)
        except Exception as error:  # the caller's own: no matter of the rows beside this one
            self.error = error
            return
        if stopped:
            self.finish = "stop"
        elif len(self.tokens) == self.request.max_new_tokens:
            self.finish = "length"

    def look(self, states: Mapping[int, Tensor]) -> None:
        """Let the request's watch read the newest token, from its states [d_model] by layer."""
        watch = self.request.watch
        if watch is None or self.ended or not self.tokens:
            return
        try:
            self.readings.append(watch.read(torch.stack([states[layer] for layer in watch.layers])))
        except Exception as error:  # the caller's own: no matter of the rows beside this one
            self.error = error

    @property
    def ended(self) -> bool:
        """Whether no token will be added: it is finished, has failed, or is not wanted any more."""
        return self.finish is not None or self.error is not None or self.cancelled

    @property
    def text(self) -> str:
        """What has been written. Half of a character at its end waits for its other bytes."""
        return self.decode(self.tokens).rstrip("\ufffd")

    def reply(self) -> Reply:
        """The finished text."""
        assert self.finish is not None
        return Reply(self.text.strip(), tuple(self.tokens), self.finish, tuple(self.logprobs))


def extend(writings: Sequence[Writing], logits: Tensor) -> None:
    """Add the next token to each text that has not ended, from logits [rows, vocabulary].

    A text whose logits are not finite ends with a `ModelError`, or a `SettingError` where it is steered.
    """
    top, order = logits.max(-1)  # NaN where any is, infinite where any overflows
    chosen: dict[int, int] = {}
    for row, (writing, highest, likeliest) in enumerate(zip(writings, top.tolist(), order.tolist(), strict=True)):
        if writing.ended:
            continue
        sampling = writing.request.sampling
        if not math.isfinite(highest):
            writing.error = _overflow(writing.request.intervention, logits.dtype)
        elif sampling is None or sampling.temperature < GREEDY_BELOW:
            chosen[row] = likeliest
        else:
            chosen[row] = writing.draw(logits[row], sampling)
    scored = {row: writings[row].request.logprobs for row in chosen}
    logprobs = _logprobs({row: chosen[row] for row, most in scored.items() if most is not None}, writings, logits)
    for row, token in chosen.items():
        writings[row].add(token, logprobs.get(row))


def _logprobs(chosen: Mapping[int, int], writings: Sequence[Writing], logits: Tensor) -> dict[int, TokenLogprob]:
    """Log-probabilities of the chosen tokens of some rows, all rows in one go."""
    if not chosen:
        return {}
    rows, tokens = (torch.tensor(list(some), device=logits.device) for some in (chosen.keys(), chosen.values()))
    every = logits[rows].float().log_softmax(-1)
    own = every.gather(1, tokens[:, None])[:, 0].tolist()
    counts = [writings[row].request.logprobs or 0 for row in chosen]
    top, order = (part.tolist() for part in every.topk(min(max(counts), every.shape[1])))
    found = {}
    for place, (row, token) in enumerate(chosen.items()):
        likeliest = list(zip(order[place], top[place], strict=True))[: counts[place]]
        found[row] = TokenLogprob(token, own[place], tuple(likeliest))
    return found


def _overflow(intervention: Intervention | None, dtype: torch.dtype) -> ModelError | SettingError:
    problem = not_finite("the logits of the next token", dtype)
    if intervention is None:
        return ModelError(problem)
    layers = ", ".join(map(str, intervention.layers))
    return SettingError(
        f"steered at layer {layers} with strength {intervention.strength:g} ({intervention.scale}), {problem}; "
        "or use a smaller strength"
    )
