"""From a request to the scheduler and back: texts become jobs, and the jobs' updates pieces and replies."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from trimtab.engines.requests import Request, Sampling, TokenLogprob
from trimtab.errors import DataError, ServerStopping
from trimtab.monitors import Monitor
from trimtab.serve.http.request_refusals import Refusal, refusal_of
from trimtab.serve.http.service import Service
from trimtab.serve.jobs import Job, JobUpdate
from trimtab.serve.replies._text_cutter import TextCutter
from trimtab.serve.replies._token_texts import TokenTexts, text_behind
from trimtab.serve.replies.finished_reply import MIN_LOGPROB, FinishedReply, ReplyPiece, ShownLogprob
from trimtab.serve.replies.pushed_tokens import pushed_tokens, tokens_changed
from trimtab.serve.replies.watched_text import TokenReading, WatchedText
from trimtab.serve.steering.steering_request import RequestedSteering


@dataclass(frozen=True)
class Asked:
    """What replies a request wants."""

    prompts: tuple[tuple[int, ...], ...]
    steering: RequestedSteering | None
    max_tokens: int | None
    """None: as many as the server writes."""
    temperature: float
    top_p: float
    seed: int
    choices: int = 1
    """Replies to each prompt."""
    stops: tuple[str, ...] = ()
    logprobs: int | None = None
    """How many of the likeliest tokens to tell at each place, beside the one that was taken; None: nothing."""
    trim: bool = True
    """Whether space at the ends of a reply is dropped, as in `Model.generate`."""
    continues: bool = False
    """Whether replies continue a text, so that space at their beginning stays."""
    monitors: Mapping[str, Monitor] = field(default_factory=dict)
    """What reads each token while it is written, by name; only where the engine gives states then."""


@dataclass(frozen=True, eq=False)
class _Text:
    """One choice."""

    prompt: int
    """Which of the request's prompts."""
    request: Request
    job: Job
    watched: WatchedText | None


async def begin(service: Service, asked: Asked, client: str) -> RunningReplies:
    """Submit a request's texts.

    Raises:
        Refusal: when the queue is full or never has that many places, the server stops, or the model has no room for
            the prompt.
    """
    if service.stopping:
        raise refusal_of(ServerStopping("stopping"))
    requests = [
        (place, _request(service, asked, prompt, place * asked.choices + index))
        for place, prompt in enumerate(asked.prompts)
        for index in range(asked.choices)
    ]
    places = service.scheduler.places(client)
    if len(requests) > places:
        raise Refusal(
            400,
            f"{len(requests)} replies in one request are more than the {places} that may wait here for one client; ask "
            "for fewer at once",
            "n" if asked.choices > 1 else "prompt",
        )
    texts: list[_Text] = []
    try:
        for place, request in requests:
            watched = WatchedText(request, asked.monitors) if asked.monitors else None
            submitted = request if watched is None else watched.request
            job = service.scheduler.submit(submitted, seconds=service.seconds, client=client)
            texts.append(_Text(place, request, job, watched))
    except BaseException:
        _cancel(texts)
        raise
    return RunningReplies(service, asked, texts)


class RunningReplies:
    """The texts of one request while they are written."""

    def __init__(self, service: Service, asked: Asked, texts: list[_Text]):
        self._service, self._asked, self._texts = service, asked, texts
        self.count = len(texts)
        """Choices."""
        self.first_token = 0.0
        """When the first token of any choice came, on the clock `time.monotonic`; 0 before it."""

    def cancel(self) -> None:
        """Give up all texts that have not ended."""
        _cancel(self._texts)

    async def finished(self) -> list[FinishedReply]:
        """Every choice at its end, in order."""
        found = []
        async with aclosing(self.updates()) as updates:
            async for one in updates:
                if isinstance(one, FinishedReply):
                    found.append(one)
        return sorted(found, key=lambda reply: reply.choice)

    async def updates(self) -> AsyncGenerator[ReplyPiece | FinishedReply, None]:
        """Pieces of all choices as they come; each choice ends with its whole reply."""
        queue: asyncio.Queue[ReplyPiece | FinishedReply | Exception] = asyncio.Queue()
        pumps = [asyncio.ensure_future(self._pump(choice, text, queue)) for choice, text in enumerate(self._texts)]
        try:
            open_choices = self.count
            while open_choices:
                one = await queue.get()
                if isinstance(one, Exception):
                    raise one
                open_choices -= isinstance(one, FinishedReply)
                yield one
        finally:
            self.cancel()
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _pump(self, choice: int, text: _Text, queue: asyncio.Queue[Any]) -> None:
        try:
            async for one in self._of_text(choice, text):
                queue.put_nowait(one)
        except Exception as error:
            queue.put_nowait(error)

    async def _of_text(self, choice: int, text: _Text) -> AsyncGenerator[ReplyPiece | FinishedReply, None]:
        request, watched = text.request, text.watched
        cutter = TextCutter(self._asked.stops, trim=self._asked.trim, continues=self._asked.continues)
        texts = TokenTexts(self._service.model.backbone.tokenizer, request.prompt)
        wants = self._asked.logprobs is not None
        shown, seen = "", 0  # what is shown, and how much of what is written has been looked at
        every: tuple[ShownLogprob, ...] = ()
        read: tuple[TokenReading, ...] = ()
        async for newest in text.job:
            update = newest if watched is None else watched.shown(newest)
            self.first_token = self.first_token or time.monotonic()
            written = self._written(update, request)
            piece, seen = cutter.add(written[seen:]), max(seen, len(written))
            logprobs = tuple(_shown(one, texts) for one in update.logprobs[len(every) :])
            readings = _readings(update, len(read), logprobs, texts)
            every, read = every + logprobs, read + readings
            if update.finish is not None:
                piece += cutter.finish()
            shown += piece
            if piece or logprobs or readings:
                yield ReplyPiece(choice, piece, logprobs if wants else None, readings)
        ran_last = update.finish == "end" or len(read) == len(update.tokens)
        ran = (*request.prompt, *(update.tokens if ran_last else update.tokens[:-1]))
        opened = self._opened(text)
        yield FinishedReply(
            choice=choice,
            prompt=text.prompt,
            text=shown,
            prompt_tokens=len(request.prompt),
            written=len(update.tokens),
            finish_reason="length" if update.finish == "length" else "stop",
            tokens=update.tokens,
            pushed=0 if opened is False else self._pushed(request, update.tokens, ended=ran_last),
            changed=None
            if opened is False
            else await tokens_changed(self._service.model, self._asked.steering, ran, len(request.prompt)),
            logprobs=every if wants else None,
            readings=read,
            opened=opened,
        )

    def _opened(self, text: _Text) -> bool | None:
        """Whether the condition on the prompt held; None where there is none."""
        if self._asked.steering is None or self._asked.steering.gate is None:
            return None
        return text.job.request.intervention is not None

    def _pushed(self, request: Request, tokens: tuple[int, ...], *, ended: bool) -> int:
        """Tokens that were pushed.

        Raises:
            Refusal: where steering was asked for and nothing was pushed.
        """
        steering, backbone = self._asked.steering, self._service.model.backbone
        pushed = pushed_tokens(
            steering, request.prompt, tokens, ended=ended, tokenizer=backbone.tokenizer, name=backbone.name
        )
        if steering is not None and not pushed:
            raise Refusal(
                400,
                f"nothing was pushed: this text of {len(request.prompt)} + {len(tokens)} tokens has none at positions "
                f"{steering.positions}; use other positions, or leave steering out",
                "steering",
                "steering_pushed_nothing",
            )
        return pushed

    def _written(self, update: JobUpdate, request: Request) -> str:
        if not self._asked.continues:
            return update.text
        return text_behind(update.decode, request.prompt, update.tokens)


def _shown(one: TokenLogprob, texts: TokenTexts) -> ShownLogprob:
    """A token of a reply as clients see it, which `texts` takes in."""
    top = tuple(ShownLogprob(texts.of(token), max(value, MIN_LOGPROB), number=token) for token, value in one.top)
    text, offset = texts.add(one.token)
    return ShownLogprob(text, max(one.logprob, MIN_LOGPROB), top, one.token, offset)


def _readings(
    update: JobUpdate, known: int, logprobs: tuple[ShownLogprob, ...], texts: TokenTexts
) -> tuple[TokenReading, ...]:
    """What has been read of the tokens behind the known ones, which `texts` takes in unless log-probabilities did."""
    new = update.readings[known:]
    pieces = [one.token for one in logprobs] or [texts.add(token)[0] for token in update.tokens[known:]] if new else []
    return tuple(map(TokenReading, pieces, new))  # a text that fills the context has one token that nothing reads


def _request(service: Service, asked: Asked, prompt: tuple[int, ...], index: int) -> Request:
    room = service.context_tokens
    most = asked.max_tokens or service.max_tokens
    if room is not None:
        left = room - len(prompt)
        if left < 1:
            raise DataError(
                f"the prompt has {len(prompt):,} tokens, which leaves no room for a reply in the {room:,} tokens that "
                f"{service.name} takes here; shorten it"
            )
        if asked.max_tokens is not None and asked.max_tokens > left:
            raise DataError(
                f"{asked.max_tokens:,} tokens do not fit behind the {len(prompt):,} of the prompt: {service.name} "
                f"takes {room:,} here; ask for up to {left:,}"
            )
        most = min(most, left)
    stops = asked.stops
    return Request(
        prompt,
        None if asked.steering is None else asked.steering.intervention,
        most,
        Sampling(asked.seed + index, asked.temperature, asked.top_p) if asked.temperature else None,
        (lambda text: any(stop in text for stop in stops)) if stops else None,
        asked.logprobs,
    )


def _cancel(texts: list[_Text]) -> None:
    for text in texts:
        text.job.cancel()
