"""What judging takes: calls, tokens and, at prices that the user gives, dollars."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

OUTPUT_TOKENS = 50
"""An answer of four numbers as JSON takes about 40; judges that think take many more."""
_CHARACTERS_PER_TOKEN = 4


def estimated_tokens(text: str) -> int:
    """Characters ÷ 4, rounded up: about right for English, too few for other scripts."""
    return math.ceil(len(text) / _CHARACTERS_PER_TOKEN)


@dataclass(frozen=True)
class Cost:
    """What judging will take at most, or took."""

    model: str
    calls: int = 0
    """Questions put to the model; tries that failed are not counted."""
    cached: int = 0
    """Questions whose answers are in the cache."""
    input_tokens: int = 0
    output_tokens: int = 0
    price: tuple[float, float] | None = None
    """Dollars per million tokens, in and out."""
    estimated: bool = True
    """Whether it lies ahead; tokens are then estimated from characters."""

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
        cached = f"{self.cached:,} {'more ' if self.calls else ''}{'is' if self.cached == 1 else 'are'} in the cache"
        parts = [self._asked(), *([cached] if self.cached else [])]
        return "; ".join(parts)

    def _asked(self) -> str:
        model = self.model.rsplit("/", 1)[-1]
        if not self.calls:
            return f"no calls of {model}"
        most, about = ("at most ", "about ") if self.estimated else ("", "")
        tokens_in, tokens_out = (_rounded(n) if self.estimated else n for n in (self.input_tokens, self.output_tokens))
        calls = f"{most}{self.calls:,} {'call' if self.calls == 1 else 'calls'} of {model}"
        money = "" if self.dollars is None else f", {_money(self.dollars, about)} at the prices given"
        return f"{calls}, {about}{tokens_in:,} tokens in and {tokens_out:,} out{money}"


def _rounded(count: int) -> int:
    """To two significant digits."""
    return round(count, -max(len(str(count)) - 2, 0))


def _money(dollars: float, about: str) -> str:
    return f"{about}${dollars:,.2f}" if dollars >= 0.01 or dollars == 0 else "less than $0.01"
