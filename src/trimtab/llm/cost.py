"""The cost of language models: calls, tokens and, at prices that the user gives, dollars."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, replace

from trimtab._util.wording import plural, verb_for

CHARACTERS_PER_TOKEN = 4
"""Of English text, where there is no tokenizer; fewer in other scripts. The bundled tokenizer takes 4.5 over 13,000
model-written evals (3.0 to 5.1 by file) and 3.5 to 3.8 on the built-in choice pairs."""


def estimate_tokens(text: str) -> int:
    """Characters ÷ 4, rounded up: about right for English, too few for other scripts."""
    return math.ceil(len(text) / CHARACTERS_PER_TOKEN)


@dataclass(frozen=True)
class Cost:
    """What requests will cost at most, or have cost."""

    model: str
    calls: int = 0
    """Requests that the model answers; failed attempts are not counted."""
    cached: int = 0
    """Requests whose completions are in the cache."""
    input_tokens: int = 0
    output_tokens: int = 0
    price: tuple[float, float] | None = None
    """Dollars per million tokens, in and out."""
    estimated: bool = True
    """Whether it is a forecast; tokens are then estimated from characters."""
    attempts: int = 1
    """Of a forecast: attempts for each call that fails."""

    @property
    def dollars(self) -> float | None:
        """At the prices given; None without any."""
        if self.price is None:
            return None
        return (self.input_tokens * self.price[0] + self.output_tokens * self.price[1]) / 1e6

    def plus(self, *, calls: int = 0, cached: int = 0, input_tokens: int = 0, output_tokens: int = 0) -> Cost:
        """The same with more of everything."""
        return replace(
            self,
            calls=self.calls + calls,
            cached=self.cached + cached,
            input_tokens=self.input_tokens + input_tokens,
            output_tokens=self.output_tokens + output_tokens,
        )

    def __str__(self) -> str:
        cached = f"{self.cached:,} {'more ' if self.calls else ''}{verb_for(self.cached, 'are')} in the cache"
        parts = [self._asked(), *([cached] if self.cached else [])]
        if self.calls and self.attempts > 1:
            parts.append(f"a call that fails is tried up to {self.attempts} times")
        return "; ".join(parts)

    def _asked(self) -> str:
        model = self.model.rsplit("/", 1)[-1]
        if not self.calls:
            return f"no calls of {model}"
        most, about = ("at most ", "about ") if self.estimated else ("", "")
        tokens_in, tokens_out = (_rounded(n) if self.estimated else n for n in (self.input_tokens, self.output_tokens))
        calls = f"{most}{plural(self.calls, 'call')} of {model}"
        money = "" if self.dollars is None else f", {_money(self.dollars, about)} at the prices given"
        return f"{calls}, {about}{tokens_in:,} tokens in and {tokens_out:,} out{money}"


class RunningCost:
    """A cost that several threads add to."""

    def __init__(self, start: Cost):
        self._now, self._lock = start, threading.Lock()

    @property
    def now(self) -> Cost:
        """The cost so far."""
        return self._now

    def add(self, **more: int) -> None:
        """Add what `Cost.plus` takes."""
        with self._lock:
            self._now = self._now.plus(**more)


def _rounded(count: int) -> int:
    """To two significant digits."""
    return round(count, -max(len(str(count)) - 2, 0))


def _money(dollars: float, about: str) -> str:
    return f"{about}${dollars:,.2f}" if dollars >= 0.01 or dollars == 0 else "less than $0.01"
