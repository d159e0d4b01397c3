"""What monitors read in replies: token by token while they are written, and in the finished text without steering."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import oracle
from served import STRENGTH, Served, ask, chat_model, events, monitor_for, refused, running, service_for
from trimtab.engines import Request
from trimtab.models import Backbone
from trimtab.serve.openai.conversation_fields import chat_tokens
from trimtab.serve.replies.watched_text import WatchedText
from trimtab.steering import Cell, SteeringSetting

MESSAGES: Any = [{"role": "user", "content": "Hello"}]
PLAIN = {"messages": MESSAGES, "temperature": 0, "max_tokens": 12}


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    model = chat_model()
    with running(service_for(model, monitors={"kind": monitor_for(model)})) as found:
        yield found


def test_monitors_read_finished_replies_as_the_monitor_itself_does(served: Served) -> None:
    found = ask(served, **PLAIN, monitors=["kind"], n=2, steering="cheerful")
    reading, again = found["monitors"]["kind"]
    text = found["choices"][0]["message"]["content"]
    monitor = served.service.monitors["kind"]
    scores = monitor.score(served.model, [*MESSAGES, {"role": "assistant", "content": text}])
    assert reading["probability"] == pytest.approx(scores.messages[-1].probability)
    assert "".join(token["token"] for token in reading["tokens"]) == text
    assert (reading["layer"], reading["states"]) == (2, "unsteered")
    assert again["tokens"] == reading["tokens"], "greedy choices are the same"
    last = events(served, **PLAIN, monitors=["kind"], n=2, steering="cheerful")[-1]
    assert last["choices"] == []
    for at_end, one in zip(last["monitors"]["kind"], found["monitors"]["kind"], strict=True):
        written, same = at_end.pop("as_written"), one.pop("as_written")
        assert at_end == one, "a stream has them at its end"
        assert [token["logit"] for token in written["tokens"]] == pytest.approx(
            [token["logit"] for token in same["tokens"]], abs=1e-5
        )
    refused(served, **PLAIN, monitors=["other"])


@pytest.mark.parametrize("steered", [False, True])
def test_each_piece_of_a_stream_has_the_readings_of_its_tokens_from_the_states_that_wrote_them(
    served: Served, steered: bool
) -> None:
    body = {**PLAIN, "logprobs": True, **({"steering": "cheerful"} if steered else {})}
    found = events(served, **body, monitors=["kind"])
    pieces = [one["choices"][0] for one in found if any("monitors" in choice for choice in one["choices"])]
    assert len(pieces) > 3, "they come while the text is written"
    for piece in pieces:
        read = [one["token"] for one in piece["monitors"]["kind"]]
        assert read == [one["token"] for one in piece["logprobs"]["content"]]
    read = [token for piece in pieces for token in piece["monitors"]["kind"]]
    as_written = found[-1]["monitors"]["kind"][0]["as_written"]
    assert as_written["tokens"] == read
    assert as_written["states"] == ("steered" if steered else "unsteered")

    vector = served.service.library.get("cheerful").vector
    push = SteeringSetting().intervention(vector, Cell((1,), STRENGTH)) if steered else None
    prompt = chat_tokens(served.model, MESSAGES)
    request = Request(prompt, push, PLAIN["max_tokens"])
    ((_, reply),) = served.model.replies([request])
    assert len(reply.tokens) == len(read) == 12, "the last token is read as well"
    backbone = served.model.backbone
    assert isinstance(backbone, Backbone)
    states = oracle.forward(backbone, (*prompt, *reply.tokens), push, len(prompt))[1]
    monitor = served.service.monitors["kind"]
    expected = [monitor.token_logit(state.float()) for state in states[monitor.layer][len(prompt) :]]
    assert [one["logit"] for one in read] == pytest.approx(expected, abs=1e-4)
    assert as_written["probability"] == pytest.approx(monitor.text_probability(expected), abs=1e-4)


def test_a_reply_is_the_same_whether_it_is_read_or_not(served: Served) -> None:
    whole = ask(served, **PLAIN)["choices"][0]["message"]["content"]
    for more in ({}, {"stop": whole[3:5]}, {"stop": whole[-1]}, {"max_tokens": 1}, {"n": 2, "seed": 3}):
        body = {**PLAIN, "logprobs": True, **more}
        plain, read = ask(served, **body), ask(served, **body, monitors=["kind"])
        for one, other in zip(plain["choices"], read["choices"], strict=True):
            assert one["message"] == other["message"]
            assert one["finish_reason"] == other["finish_reason"]
            assert [token["token"] for token in one["logprobs"]["content"]] == [
                token["token"] for token in other["logprobs"]["content"]
            ]
        assert plain["usage"] == read["usage"]
        for one, entry in zip(read["choices"], read["monitors"]["kind"], strict=True):
            tokens = [token["token"] for token in one["logprobs"]["content"]]
            assert entry is None or [token["token"] for token in entry["as_written"]["tokens"]] == tokens


def test_a_reply_that_fills_the_context_has_no_reading_of_its_last_token() -> None:
    model = chat_model()
    prompt = len(chat_tokens(model, MESSAGES))
    with running(service_for(model, monitors={"kind": monitor_for(model)}, most_tokens=prompt + 5)) as small:
        found = ask(small, messages=MESSAGES, temperature=0, monitors=["kind"], logprobs=True)
    assert found["usage"]["completion_tokens"] == 5
    assert found["choices"][0]["finish_reason"] == "length"
    assert len(found["choices"][0]["logprobs"]["content"]) == 5
    assert len(found["monitors"]["kind"][0]["as_written"]["tokens"]) == 4


@pytest.mark.parametrize("size", [1, 5])
@pytest.mark.parametrize("stop", [None, 2, 5])
def test_a_text_that_is_read_ends_where_it_would_have_ended(served: Served, size: int, stop: int | None) -> None:
    """The same tokens and the same reason, one pass later."""
    decode = served.model.backbone.tokenizer.decode
    prompt = chat_tokens(served.model, MESSAGES)
    ((_, longest),) = served.model.replies([Request(prompt, None, 8)])
    least = len(decode(list(longest.tokens[:stop])).strip("\ufffd"))
    ends = None if stop is None else (lambda text: len(text) >= least)
    request = Request(prompt, None, size, stop=ends)
    ((_, plain),) = served.model.replies([request])
    watched = WatchedText(request, {"kind": monitor_for(served.model)})
    update = watched.shown(served.service.scheduler.submit(watched.request).wait())
    assert (update.tokens, update.finish) == (plain.tokens, plain.finish)
    assert len(update.readings) == len(update.tokens)
