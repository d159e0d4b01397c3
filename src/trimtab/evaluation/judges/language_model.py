"""A language model as judge, blind to which reply is steered and asked in both orders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.evaluation.judges.asking import Answer, Asking, in_thread
from trimtab.evaluation.judges.base import Exchange, Judgement
from trimtab.evaluation.judges.cost import OUTPUT_TOKENS, Cost, estimated_tokens
from trimtab.evaluation.judges.questions import Rubric
from trimtab.evaluation.judges.remembered import question_key, remembered
from trimtab.evaluation.judges.services import Said, Service, require_settings, without_secrets
from trimtab.evaluation.judges.verdicts import UnreadableError, Verdict, read_verdict

if TYPE_CHECKING:
    from trimtab.data import Pair

Outcome = Verdict | str
"""What is known of a question: the verdict, or why there is none."""


@dataclass(frozen=True)
class _Questions:
    """What has to be known to judge some exchanges: equal questions once."""

    asked: dict[str, tuple[Exchange, bool]]
    """By key: the exchange, and whether its steered reply comes first."""
    orders: list[tuple[str, str]]
    """Of each exchange: the key of the question with the steered reply first, and with it second."""


class LanguageModelJudge:
    """Asks a language model how much each of two replies shows a behavior, and how coherent each is.

    Every exchange is asked twice, with the replies in either order, and the two answers are averaged: a liking for
    whatever comes first cancels. The model is not told that anything is steered. Answers are kept in a cache on disk.
    API keys are taken from the environment, as inspect_ai does.

    Args:
        model: as inspect_ai calls it, "openai/gpt-4o-mini" or "openai-api/local/any-name".
        behavior: what to look for, in a word or two.
        description: the same in a sentence or two.
        examples: pairs whose completions show the judge what is meant; the first five are used.
        name: what tables call the judge; the model's name by default.
        base_url: of the service, where it is not the provider's own.
        timeout_seconds: for one try, whole seconds.
        attempts: how often a question is tried when the service fails in a way that may pass.
        max_connections: how many questions may be under way at once.
        max_tokens: the longest answer; judges that think need more than the default.
        stop_after: how many questions in a row may fail until the rest is recorded as failed without being asked.
        price: dollars per million tokens in and out, for the cost.
        cache: a file of one's own; True for the one in trimtab's cache folder, False for none.

    Raises:
        SettingError: when a number is not positive, or the model's name has no provider.
    """

    def __init__(
        self,
        model: str,
        *,
        behavior: str,
        description: str = "",
        examples: Sequence[Pair] = (),
        name: str | None = None,
        base_url: str | None = None,
        timeout_seconds: int = 60,
        attempts: int = 3,
        max_connections: int = 8,
        max_tokens: int = 1024,
        stop_after: int = 5,
        price: tuple[float, float] | None = None,
        cache: str | Path | bool = True,
    ):
        numbers = {
            "timeout_seconds": timeout_seconds,
            "attempts": attempts,
            "max_connections": max_connections,
            "max_tokens": max_tokens,
            "stop_after": stop_after,
        }
        require_settings("judge", model, numbers, price)
        self.name = name or model
        self._rubric = Rubric(behavior, description, examples)
        self._service = Service(model, base_url, int(timeout_seconds), int(max_connections), int(max_tokens))
        self._attempts = int(attempts)
        self._stop_after = int(stop_after)
        self._remembered = remembered(cache, "judgements.sqlite")
        self._spent = Cost(model, price=price, estimated=False)

    @property
    def spent(self) -> Cost:
        """What this judge has asked so far, with the tokens that the service reported."""
        return self._spent

    def check(self) -> None:
        """Make sure that the model can be asked, as far as that shows without asking it. Good before a long run.

        Raises:
            SettingError: when inspect_ai, a package or key of the provider, or the provider itself is missing.
        """
        self._service.open()

    def cost(self, exchanges: Sequence[Exchange]) -> Cost:
        """What judging these will take at most, before anything is sent; what is in the cache costs nothing.

        Tokens are estimated: characters ÷ 4, rounded up, for each question, and 50 for each answer.

        Raises:
            RunError: when the cache is damaged.
        """
        questions = self._questions(exchanges)
        known = self._known(questions)
        ahead = Cost(self._service.model, price=self._spent.price).plus(cached=len(known))
        for key in questions.asked.keys() - known.keys():
            tokens = estimated_tokens(self._text(questions.asked[key]))
            ahead = ahead.plus(calls=1, input_tokens=tokens, output_tokens=OUTPUT_TOKENS)
        return ahead

    def judge(self, exchanges: Sequence[Exchange]) -> Iterator[tuple[int, Judgement]]:
        """Yield (index, judgement) as they come, failures included. Closing the iterator stops the work.

        Raises:
            SettingError: as `check`, unless the cache holds everything. Raised here, not by the iterator.
            RunError: when the cache is damaged.
        """
        questions = self._questions(exchanges)
        known = self._known(questions)
        missing = [key for key in questions.asked if key not in known]
        self._spent = self._spent.plus(cached=len(known))
        if not missing:
            return iter([(i, _judgement(known[a], known[b])) for i, (a, b) in enumerate(questions.orders)])
        asking = Asking(
            self._service,
            self._service.open(),
            missing,
            lambda key: self._text(questions.asked[key]),
            self._attempts,
            self._stop_after,
        )
        return self._judged(questions.orders, known, asking)

    def _judged(
        self, orders: Sequence[tuple[str, str]], known: dict[str, Verdict], asking: Asking
    ) -> Iterator[tuple[int, Judgement]]:
        outcomes: dict[str, Outcome] = dict(known)
        waiting: dict[str, list[int]] = {}
        for index, (first, second) in enumerate(orders):
            if first in known and second in known:
                yield index, _judgement(known[first], known[second])
            else:
                for key in {first, second}:
                    waiting.setdefault(key, []).append(index)
        answers = in_thread(asking, self._keep)
        try:
            for key, said in answers:
                outcomes[key] = _outcome(said, self._service.max_tokens)
                for index in waiting[key]:
                    first, second = orders[index]
                    if first in outcomes and second in outcomes:
                        yield index, _judgement(outcomes[first], outcomes[second])
        finally:
            answers.close()
            if self._remembered:
                self._remembered.close()

    def _questions(self, exchanges: Sequence[Exchange]) -> _Questions:
        questions = _Questions({}, [])
        for exchange in exchanges:
            keys = tuple(self._key(exchange, steered_first) for steered_first in (True, False))
            for key, steered_first in zip(keys, (True, False), strict=True):
                questions.asked.setdefault(key, (exchange, steered_first))
            questions.orders.append((keys[0], keys[1]))
        return questions

    def _text(self, asked: tuple[Exchange, bool]) -> str:
        return self._rubric.question(asked[0], steered_first=asked[1])

    def _key(self, exchange: Exchange, steered_first: bool) -> str:
        text = self._text((exchange, steered_first))
        return question_key(self._service.model, self._service.address, text, self._service.settings)

    def _known(self, questions: _Questions) -> dict[str, Verdict]:
        found = self._remembered.look_up(list(questions.asked)) if self._remembered else {}
        outcomes = {key: _outcome(Said(text), self._service.max_tokens) for key, text in found.items()}
        return {key: outcome for key, outcome in outcomes.items() if isinstance(outcome, Verdict)}

    def _keep(self, answer: Answer) -> None:
        key, said = answer
        if said.failure:
            return
        self._spent = self._spent.plus(calls=1, input_tokens=said.input_tokens, output_tokens=said.output_tokens)
        if self._remembered and isinstance(_outcome(said, self._service.max_tokens), Verdict):
            self._remembered.store(key, said.text, said.input_tokens, said.output_tokens)


def _outcome(said: Said, max_tokens: int) -> Outcome:
    if said.failure:
        return said.failure
    try:
        return read_verdict(said.text)
    except UnreadableError as error:
        cut = f" (it ends at the limit of {max_tokens} tokens)" if said.cut else ""
        return f"{without_secrets(str(error))}{cut}"


def _judgement(steered_first: Outcome, steered_second: Outcome) -> Judgement:
    """Of one order alone there is none: what the judge thinks of first places would not cancel."""
    if isinstance(steered_first, str):
        return Judgement(failure=steered_first)
    if isinstance(steered_second, str):
        return Judgement(failure=steered_second)
    reply = (steered_first.first, steered_second.second)
    unsteered = (steered_first.second, steered_second.first)
    score = (reply[0].behavior + reply[1].behavior) / 2
    return Judgement(
        score=score,
        change=score - (unsteered[0].behavior + unsteered[1].behavior) / 2,
        coherence=(reply[0].coherence + reply[1].coherence) / 2,
    )
