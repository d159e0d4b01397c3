"""One conversation with a model whose steering changes as it goes."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Literal, NamedTuple

from trimtab.data import Message
from trimtab.engines import Request, Sampling, stream_texts
from trimtab.errors import SettingError, TrimtabError
from trimtab.serve.chat._commands import run_command
from trimtab.serve.chat._state import ChatState
from trimtab.serve.chat._transcript import Turn
from trimtab.steering import Intervention

RETRY_SEEDS = 1_000
"""Between the seeds of a reply and of the next one to the same message; conversations are shorter."""


class Piece(NamedTuple):
    """A piece of text, and what it is a part of."""

    kind: Literal["notice", "unsteered", "reply"]
    """What a command did; the unsteered reply that is compared with, which begins first; the reply itself."""
    text: str
    last: bool = False
    """Whether its text is complete."""


class Chat(ChatState):
    """One conversation. `pieces` takes a line, a message or a command, and never raises for user input."""

    def say(self, line: str) -> Iterator[str]:
        """Yield the reply to a message, or the outcome of a command, piece by piece; a compared reply comes second."""
        waiting: list[str] | None = None
        replied = False
        for kind, text, _ in self.pieces(line):
            if kind == "unsteered":
                if waiting is None:
                    yield "unsteered: "
                waiting = waiting or []
                yield text
            elif waiting is not None:
                waiting.append(text)
            else:
                yield text
            replied = replied or kind != "notice"
        if waiting is not None:
            yield "\n  steered: "
            yield from waiting
        if replied:
            yield "\n"

    def pieces(self, line: str) -> Generator[Piece, None, None]:
        """Yield the reply to a message, or the outcome of a command, as it comes."""
        # What a terminal could not decode comes as lone surrogates, which no tokenizer takes.
        text = line.encode("utf-8", "replace").decode("utf-8").strip()
        if not text:
            return
        try:
            if text.startswith("/") and text.split()[0] != "/retry":
                yield Piece("notice", run_command(self, text) + "\n")
            else:
                yield from self._retried() if text.startswith("/") else self._answer(text, 0)
        except TrimtabError as error:
            yield Piece("notice", f"! {error}\n")

    def _retried(self) -> Iterator[Piece]:
        if not self.turns:
            raise SettingError("there is no reply yet that could be written again")
        last, before = self.turns[-1], self.turns[:-1]
        self.turns = before
        try:
            if self.temperature == 0:
                yield Piece("notice", "temperature 0: the same again, unless the settings have changed\n")
            yield from self._answer(last.message, self.retries + 1)
        finally:
            if self.turns == before:  # nothing has been written in its place
                self.turns = [*before, last]

    def _answer(self, text: str, retries: int) -> Iterator[Piece]:
        """Write a reply; what there is of it when the person stops it belongs to the conversation."""
        self.retries = retries
        asked = [*self._system(), *self.history, Message(role="user", content=text)]
        intervention = self.intervention
        if intervention is not None and self.condition is not None and not self.condition.holds(self.model, asked):
            yield Piece("notice", f"nothing is pushed: {self.condition}, and this one does not\n")
            intervention = None
        compared = self.compare and intervention is not None
        requests = [self._request(asked, one) for one in ([None, intervention] if compared else [intervention])]
        written = ["" for _ in requests]
        finished = False
        if compared:
            yield Piece("unsteered", "")  # before any piece of the other
        try:
            with closing(stream_texts(self.model, requests)) as pieces:
                for index, piece, last in pieces:
                    written[index] += piece
                    yield Piece("reply" if index == len(requests) - 1 else "unsteered", piece, last)
            finished = True
        finally:
            if finished or written[-1].strip():
                self.turns = [*self.turns, self._turn(text, written, intervention, stopped=not finished)]

    def _system(self) -> list[Message]:
        return [Message(role="system", content=self.system)] if self.system else []

    def _request(self, asked: list[Message], intervention: Intervention | None) -> Request:
        sampling = Sampling(self._seed, self.temperature) if self.temperature else None
        return Request(self.model.tokens(asked), intervention, self.max_new_tokens, sampling)

    @property
    def _seed(self) -> int:
        return 2 * len(self.turns) + 1 + RETRY_SEEDS * self.retries

    def _turn(self, text: str, written: list[str], intervention: Intervention | None, *, stopped: bool) -> Turn:
        seed = {"seed": self._seed} if self.temperature else {}
        sampling = {"temperature": self.temperature, **seed, "max_new_tokens": self.max_new_tokens}
        return Turn(
            text, written[-1].strip(), self.system, None if intervention is None else self.steering_values(),
            sampling, written[0].strip() if len(written) > 1 else "", stopped,
        )  # fmt: skip
