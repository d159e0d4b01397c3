"""A reply token by token, with and without steering: against a loop with a plain hook, and over HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import torch

from hook_loop import logits_of
from served import NAME, Served, chat_model, monitor_for, running, service_for
from tiny import CHAT_TEMPLATE, tiny_model, tiny_tokenizer
from trimtab.data import Message
from trimtab.engines import Model
from trimtab.errors import DataError, SettingError
from trimtab.models import Backbone, wrap
from trimtab.monitors import Monitor
from trimtab.serve.playground import _token_comparison
from trimtab.serve.playground._token_comparison import compare_tokens
from trimtab.steering import Cell, SteeringSetting

MESSAGES = [Message(role="user", content="Hello there")]
REPLY = "I am – fine ☀, and you?"
ASKED = [Message(role="system", content="Be kind."), *MESSAGES]
PATH = "/v1/steering/compare"


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with running(service_for(chat_model())) as found:
        yield found


@pytest.fixture(scope="module")
def model(served: Served) -> Model:
    return served.model


def raw_push(served: Served, layer: int = 1, strength: float = 3.0, positions: str = "all") -> Any:
    vector = served.service.library.get("raw").vector
    return SteeringSetting("raw", positions).intervention(vector, Cell((layer,), strength))


def log_distributions(model: Model, messages: Any, push: Any = None) -> tuple[torch.Tensor, list[int]]:
    """By one plain pass each: log-probabilities where each token of the reply is decided, and these tokens."""
    backbone = model.backbone
    assert isinstance(backbone, Backbone)
    prompt = list(model.tokens(messages))
    reply = backbone.tokenizer(REPLY, add_special_tokens=False)["input_ids"]
    layer = None
    if push is not None:
        (at,) = push.layers
        layer = at, push.strength * push.directions[at]
    logits = logits_of(backbone.model, backbone.anatomy.layers, [*prompt, *reply], layer)
    return logits[len(prompt) - 1 : -1].log_softmax(-1), reply


def test_each_token_has_the_divergence_and_the_probabilities_of_two_plain_passes(served: Served, model: Model) -> None:
    push = raw_push(served)
    p, reply = log_distributions(model, MESSAGES, push)
    q, _ = log_distributions(model, MESSAGES)
    found = compare_tokens(model, MESSAGES, REPLY, push, top=3)
    assert len(found) == len(reply) > 15
    kl = (p.exp() * (p - q)).sum(-1)
    assert kl.max() > 0.05
    torch.testing.assert_close(torch.tensor([one.kl for one in found]), kl, rtol=1e-3, atol=1e-4)
    for one, token, here, there in zip(found, reply, p, q, strict=True):
        assert one.steered == pytest.approx(float(here[token]), abs=1e-3)
        assert one.unsteered == pytest.approx(float(there[token]), abs=1e-3)
        for likely, expected in ((one.top_steered, here), (one.top_unsteered, there)):
            assert [value.logprob for value in likely] == pytest.approx(expected.topk(3).values.tolist(), abs=1e-3)


def test_the_pieces_are_the_reply(model: Model) -> None:
    assert "".join(one.token for one in compare_tokens(model, MESSAGES, REPLY, None, top=0)) == REPLY


def test_nothing_is_moved_where_nothing_pushes(model: Model) -> None:
    assert {one.kl for one in compare_tokens(model, MESSAGES, REPLY, None, top=0)} == {0.0}


def test_tokens_before_the_push_stay_where_they_are(served: Served, model: Model) -> None:
    found = compare_tokens(model, MESSAGES, REPLY, raw_push(served, positions="after:4"), top=0)
    assert all(one.kl < 1e-6 for one in found[:4])
    assert max(one.kl for one in found[4:]) > 0.01


def test_another_conversation_is_compared_with_the_plain_one(model: Model) -> None:
    p, _ = log_distributions(model, ASKED)
    q, _ = log_distributions(model, MESSAGES)
    found = compare_tokens(model, ASKED, REPLY, None, unsteered_messages=MESSAGES, top=1)
    kl = (p.exp() * (p - q)).sum(-1)
    assert kl.max() > 0.01
    torch.testing.assert_close(torch.tensor([one.kl for one in found]), kl, rtol=1e-3, atol=1e-4)


def test_long_replies_are_unembedded_part_by_part(
    served: Served, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = compare_tokens(model, MESSAGES, REPLY, raw_push(served))
    monkeypatch.setattr(_token_comparison, "_TOKENS_AT_ONCE", 3)
    parts = compare_tokens(model, MESSAGES, REPLY, raw_push(served))
    assert [one.token for one in parts] == [one.token for one in whole]
    assert [one.kl for one in parts] == pytest.approx([one.kl for one in whole], abs=1e-5)


def test_replies_that_cannot_be_read_are_refused(served: Served, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="no tokens"):
        compare_tokens(model, MESSAGES, "", None)
    with pytest.raises(SettingError, match="prompt"):
        compare_tokens(model, MESSAGES, "a", raw_push(served, positions="generated"))
    monkeypatch.setattr(_token_comparison, "MAX_REPLY_TOKENS", 4)
    with pytest.raises(DataError, match="4 are the most"):
        compare_tokens(model, MESSAGES, REPLY, None)


def post(served: Served, status: int = 200, path: str = PATH, **body: Any) -> Any:
    with served.client() as http:
        response = http.post(path, json={"messages": MESSAGES, **body})
    assert response.status_code == status, response.text
    return response.json()


def test_over_http_the_named_vector_is_what_pushes(served: Served) -> None:
    steering = {"vector": "raw", "layers": [1], "strength": 3.0, "scale": "raw"}
    found = post(served, reply=REPLY, steering=steering, top=2)
    expected = compare_tokens(served.model, MESSAGES, REPLY, raw_push(served), top=2)
    assert found["tokens"] == [one.json() for one in expected]
    assert found["mean_kl"] == pytest.approx(sum(one.kl for one in expected) / len(expected), rel=1e-4)
    assert found["steering_applied"]["layers"] == [1]


def test_a_monitor_reads_the_same_reply(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served.service, "monitors", {"kind": monitor_for(served.model)})
    found = post(served, reply=REPLY, monitors=["kind"])["monitors"]["kind"][0]
    monitor: Monitor = served.service.monitors["kind"]
    scores = monitor.score(served.model, [*MESSAGES, Message(role="assistant", content=REPLY)])
    assert found["probability"] == scores.messages[-1].probability


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"reply": ""}, "reply"),
        ({"reply": "  \n"}, "reply"),
        ({"reply": 3}, "reply"),
        ({"reply": "a" * 100_001}, "reply"),
        ({"reply": "a", "top": 11}, "top"),
        ({"reply": "a", "steering": "nobody"}, "steering"),
        ({"reply": "a", "monitors": ["nobody"]}, "monitors"),
        ({"reply": "a", "unsteered_messages": []}, "unsteered_messages"),
        ({"reply": "a", "stream": True}, "stream"),
    ],
)
def test_what_cannot_be_compared_is_refused_by_its_field(served: Served, body: dict[str, Any], param: str) -> None:
    assert post(served, 400, **body)["error"]["param"] == param


def test_what_is_longer_than_the_server_takes_is_not_read(model: Model) -> None:
    count = len(model.tokens(MESSAGES)) + len(model.backbone.tokenizer(REPLY, add_special_tokens=False)["input_ids"])
    with running(service_for(model, most_tokens=count)) as found, found.client() as client:
        for reply, status in ((REPLY, 200), (f"{REPLY}!", 400)):
            answer = client.post(PATH, json={"messages": MESSAGES, "reply": reply, "steering": "cheerful"})
            assert answer.status_code == status, answer.text
        assert f"takes {count:,} here" in answer.json()["error"]["message"]
        body = {"messages": MESSAGES, "unsteered_messages": ASKED, "reply": REPLY}
        assert "takes" in client.post(PATH, json=body).json()["error"]["message"]


def test_many_comparisons_at_once_are_each_their_own(served: Served) -> None:
    async def ask() -> list[Any]:
        async with httpx.AsyncClient(base_url=served.address, timeout=60) as http:
            pushes = [{"vector": "raw", "layers": [1], "strength": strength} for strength in (0.1, 0.2, 0.3)]
            bodies = [{"messages": MESSAGES, "reply": REPLY, "steering": push} for push in pushes]
            return [one.json() for one in await asyncio.gather(*(http.post(PATH, json=body) for body in bodies))]

    means = [found["mean_kl"] for found in asyncio.run(ask())]
    assert 0 < means[0] < means[1] < means[2]


def test_a_reply_is_compared_in_the_tokens_that_it_was_written_in() -> None:
    tokenizer = tiny_tokenizer(CHAT_TEMPLATE, merges=("he",))
    merging = Model(wrap(tiny_model("llama"), tokenizer, name=NAME))
    written = [*tokenizer("h")["input_ids"], *tokenizer("e")["input_ids"], *tokenizer("l")["input_ids"]]
    assert len(tokenizer("hel")["input_ids"]) == 2
    with running(service_for(merging)) as found:
        steering = {"vector": "raw", "layers": [1], "strength": 3.0, "scale": "raw"}
        own = post(found, reply="hel", reply_tokens=written, steering=steering)
        text = post(found, reply="hel", steering=steering)
        assert [one["token"] for one in own["tokens"]] == ["h", "e", "l"]
        assert (own["tokens_from"], own["retokenized_differs"]) == ("reply_tokens", True)
        assert [one["token"] for one in text["tokens"]] == ["he", "l"]
        assert (text["tokens_from"], text["retokenized_differs"]) == ("text", None)
        push = raw_push(found)
        expected = compare_tokens(found.model, MESSAGES, tuple(written), push, top=5)
        assert own["tokens"] == [one.json() for one in expected]
        for wrong in ([10**9], "hel", written[:2], [True]):
            assert post(found, 400, reply="hel", reply_tokens=wrong)["error"]["param"] == "reply_tokens"


def test_the_tokens_of_a_stream_of_columns_can_be_compared_as_they_are(served: Served) -> None:
    body = {"columns": [{"messages": MESSAGES, "steering": "cheerful"}], "temperature": 0, "max_tokens": 8}
    with served.client() as http:
        lines = http.post("/v1/steering/replies", json=body).text.split("\n\n")
    last = json.loads(lines[-3].removeprefix("data: "))
    assert len(last["token_ids"]) == last["tokens"] == 8
    found = post(served, reply=last["text"], reply_tokens=last["token_ids"], steering="cheerful")
    assert len(found["tokens"]) == 8
    # What was written greedily under the push is the likeliest token under it, at every place.
    assert all(one["logprob_steered"] == one["top_steered"][0]["logprob"] for one in found["tokens"])
