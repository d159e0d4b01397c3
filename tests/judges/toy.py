"""A judge from outside the package: whether a reply has few words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, ClassVar

from pydantic import Field

from trimtab.data import Behavior
from trimtab.errors import JudgeDeclined
from trimtab.judges import NO_EFFECT, VERDICTS, Cost, Exchange, Judge, Judgement, JudgeSettings

SUMMARY = "Few words: 10 below a number of words, else 0."


class BrevityJudge(Judge):
    accuracy = 0.875

    def __init__(self, words: int, price: float, name: str):
        self.name, self._words, self._price = name, words, price

    def judge(self, exchanges: Sequence[Exchange]) -> Iterator[tuple[int, Judgement]]:
        for index, exchange in enumerate(exchanges):
            score, before = (10.0 * (len(text.split()) < self._words) for text in (exchange.reply, exchange.unsteered))
            yield index, Judgement(score, score - before)

    def cost(self, exchanges: Sequence[Exchange]) -> Cost:
        return Cost("word counter", calls=len(exchanges), price=(self._price, 0.0))


class BrevitySettings(JudgeSettings):
    kind: ClassVar[str] = "word counter"
    paid: ClassVar[bool] = True

    brevity: Annotated[int, VERDICTS] = Field(ge=1)
    price: Annotated[float, NO_EFFECT] = 0.0

    def build(self, behavior: Behavior) -> BrevityJudge:
        if behavior.name == "cheerful":
            raise JudgeDeclined("cheerful: its length shows nothing")
        return BrevityJudge(self.brevity, self.price, self.label)
