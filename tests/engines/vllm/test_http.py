"""Steering over HTTP: what a request carries, how it is asked for, and how vectors get to the server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("openai")

from fake_server import Fake, echo, fake_server, said, streamed

from trimtab.engines.vllm.http import Served, request_fields, steer
from trimtab.engines.vllm.wire.spec import KEY, Push, Spec, parse_spec
from trimtab.errors import SettingError, VectorError
from trimtab.steering import steering
from trimtab.vectors import Provenance, SteeringVector

CHEERFUL = steer("cheerful", 14, 0.1, scale="relative")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server() -> Iterator[Fake]:
    with fake_server() as fake:
        yield fake


def vector(seed: int = 0) -> SteeringVector:
    direction = torch.randn(4, 6, generator=torch.Generator().manual_seed(seed))
    return SteeringVector(direction, torch.ones(4), Provenance("m", "", "cheerful", "", 1, "mean", "", "", "", ""))


# What a request carries


def test_a_request_carries_the_spec_and_its_salt() -> None:
    fields = request_fields(CHEERFUL)
    assert set(fields) == {"vllm_xargs", "cache_salt"}
    assert parse_spec(fields["vllm_xargs"][KEY]) == CHEERFUL
    assert fields["cache_salt"] == CHEERFUL.salt
    assert Spec((Push("cheerful", (14,), 0.1, "relative"),)) == CHEERFUL


def test_every_policy_layer_and_strength_has_a_salt_of_its_own() -> None:
    asked = [
        steer("cheerful", 14, positions=where)
        for where in ("all", "after_prompt", "prompt", "generated", "first:3", "after:2", "tokens:2,4,-1")
    ]
    asked += [
        steer("cheerful", 13),
        steer("cheerful", 14, 2.0),
        steer("sad", 14),
        steer("cheerful", 14, 0.1, scale="raw"),
    ]
    assert len({request_fields(one)["cache_salt"] for one in asked}) == len(asked)


def test_the_salt_is_one_that_vllm_takes() -> None:
    """At most 128 characters, and none of @ / \\ and NUL."""
    salt = request_fields(CHEERFUL)["cache_salt"]
    assert salt.isalnum()
    assert len(salt) <= 128


def test_steering_that_pushes_nothing_is_still_told_but_has_no_salt() -> None:
    assert set(request_fields(Spec())) == {"vllm_xargs"}


def test_steer_means_what_at_means() -> None:
    """Several layers, shared strength and one layer's direction, as in the Python interface."""
    named = steer("v", [1, 2], 3.0, positions="prompt", first_token=True, share_strength=True, vector_layer=0)
    real = steering(vector(), [1, 2], 3.0, positions="prompt", first_token=True, share_strength=True, vector_layer=0)
    (push,) = named.pushes
    assert (push.layers, push.strength, push.scale) == (real.layers, real.strength, real.scale)
    assert (named.positions, named.first_token) == (real.positions, real.first_token)
    assert push.vector_layer == 0
    assert steer("v", [1, 2], 3.0).pushes[0].strength == 3.0


@pytest.mark.parametrize("scale", ["clamp", "project_out"])
def test_a_projection_is_not_shared_by_layers(scale: Any) -> None:
    with pytest.raises(SettingError, match="cannot share"):
        steer("v", [1, 2], 1.0, scale=scale, share_strength=True)


def test_a_gate_is_refused_since_no_request_carries_one() -> None:
    options: dict[str, Any] = {"gate": object()}
    with pytest.raises(SettingError, match="gate"):
        steer("v", 1, **options)


@pytest.mark.parametrize("name", ["", "../v", "/v", "a/b", ".v", "v w", "x" * 129])
def test_what_is_no_name_of_a_vector_is_refused_before_it_travels(name: str) -> None:
    with pytest.raises(SettingError, match="is no name of a vector"):
        steer(name, 1)


@pytest.mark.parametrize("layers", [[], [1, 1], -1])
def test_layers_that_cannot_be_meant_are_refused_before_they_travel(layers: Any) -> None:
    with pytest.raises(SettingError, match="give different ones, counted from 0"):
        steer("v", layers, share_strength=True)


# Asking


def test_answers_come_back_in_the_order_of_the_prompts(server: Fake) -> None:
    prompts = [f"p{i}" for i in range(20)]
    assert Served(server.url).generate(prompts) == [f"p{i} plain" for i in range(20)]


def test_each_prompt_can_have_its_own_steering(server: Fake) -> None:
    cells = [None, CHEERFUL, steer("sad", 3, -2.0)]
    assert Served(server.url).generate(["a", "b", "c"], steering=cells) == ["a plain", "b 0.1", "c -2.0"]
    assert [body.get("cache_salt") for body in sorted(server.chats, key=lambda b: b["messages"][0]["content"])] == [
        None,
        CHEERFUL.salt,
        steer("sad", 3, -2.0).salt,
    ]


def test_one_steering_serves_all_prompts(server: Fake) -> None:
    assert Served(server.url).generate(["a", "b"], steering=CHEERFUL) == ["a 0.1", "b 0.1"]


def test_several_vectors_travel_together(server: Fake) -> None:
    both = CHEERFUL.and_also(steer("sad", [3, 4], 2.0))
    Served(server.url).generate(["a"], steering=both)
    assert parse_spec(server.chats[0]["vllm_xargs"][KEY]) == both


def test_a_request_leaves_nothing_to_the_models_generation_config(server: Fake) -> None:
    Served(server.url).generate(["a", "b"], max_new_tokens=7, temperature=0.5, top_p=0.9, seed=3)
    first, second = sorted(server.chats, key=lambda body: body["seed"])
    assert first == {
        "model": "small",
        "messages": [{"role": "user", "content": "a"}],
        "max_tokens": 7,
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 3,
        "top_k": 0,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "chat_template_kwargs": {"enable_thinking": False},
    }
    assert second["seed"] == 4


def test_a_conversation_is_asked_as_it_is(server: Fake) -> None:
    talk = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    assert Served(server.url).generate([talk]) == ["c plain"]  # type: ignore[list-item]
    assert server.chats[0]["messages"] == talk


def test_no_prompts_ask_nothing(server: Fake) -> None:
    assert Served(server.url).generate([]) == []
    assert server.asked == []


def test_as_many_steerings_as_prompts(server: Fake) -> None:
    with pytest.raises(SettingError, match="2 prompts need as many steerings, not 1"):
        Served(server.url).generate(["a", "b"], steering=[CHEERFUL])


def test_an_answer_without_text_is_empty(server: Fake) -> None:
    server.chat = lambda _: said(None)
    assert Served(server.url).generate(["a"]) == [""]


def test_the_model_is_the_first_that_the_server_lists_unless_named(server: Fake) -> None:
    Served(server.url).generate(["a"])
    Served(server.url, model="large").generate(["a"])
    assert [body["model"] for body in server.chats] == ["small", "large"]
    assert [asked.path for asked in server.asked].count("/v1/models") == 1


@pytest.mark.parametrize("ending", ["", "/", "/v1", "/v1/"])
def test_the_address_may_end_as_it_likes(server: Fake, ending: str) -> None:
    assert Served(server.url + ending).generate(["a"]) == ["a plain"]


def test_no_more_are_on_their_way_than_allowed(server: Fake) -> None:
    server.chat = lambda body: replace(echo(body), wait_seconds=0.03)
    Served(server.url, parallel=3).generate([f"p{i}" for i in range(12)])
    assert 1 < server.most_at_once <= 3


def test_an_answer_comes_piece_by_piece(server: Fake) -> None:
    server.chat = lambda body: streamed(["", "Hap", None, "py", "!"]) if body.get("stream") else echo(body)
    served = Served(server.url)
    assert list(served.stream("a", steering=CHEERFUL, max_new_tokens=9)) == ["Hap", "py", "!"]
    body = server.chats[0]
    assert body.pop("stream") is True
    served.generate(["a"], steering=CHEERFUL, max_new_tokens=9)
    assert body == server.chats[1], "a stream is asked for as an answer is"


# Publishing


def test_a_published_vector_is_a_file_of_the_servers_folder(tmp_path: Path) -> None:
    file = Served("http://localhost", folder=tmp_path).publish("cheerful", vector())
    assert file == tmp_path / "cheerful.safetensors"
    assert torch.equal(SteeringVector.load(file).direction, vector().direction)
    assert [p.name for p in tmp_path.iterdir()] == ["cheerful.safetensors"]


def test_publishing_the_same_again_changes_nothing(tmp_path: Path) -> None:
    served = Served("http://localhost", folder=str(tmp_path))
    file = served.publish("cheerful", vector())
    before = file.stat().st_mtime_ns
    assert served.publish("cheerful", vector()) == file
    assert file.stat().st_mtime_ns == before


def test_a_name_is_never_given_to_another_vector(tmp_path: Path) -> None:
    served = Served("http://localhost", folder=tmp_path)
    file = served.publish("cheerful", vector())
    for other in (vector(seed=1), replace(vector(), direction=torch.ones(3, 6), residual_norm=torch.ones(3))):
        with pytest.raises(SettingError, match="holds another vector"):
            served.publish("cheerful", other)
    assert torch.equal(SteeringVector.load(file).direction, vector().direction)


def test_a_file_that_is_no_vector_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "cheerful.safetensors").write_bytes(b"mine")
    with pytest.raises(VectorError, match="not a readable safetensors file"):
        Served("http://localhost", folder=tmp_path).publish("cheerful", vector())
    assert (tmp_path / "cheerful.safetensors").read_bytes() == b"mine"


@pytest.mark.parametrize("folder", [None, "/no/such/folder"])
def test_publishing_needs_the_servers_folder(folder: str | None) -> None:
    with pytest.raises(SettingError, match=r"give Served\(folder=…\)"):
        Served("http://localhost", folder=folder).publish("cheerful", vector())


@pytest.mark.parametrize("name", ["../cheerful", "a/b", "", ".hidden"])
def test_what_is_no_name_is_not_published(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingError, match="is no name of a vector"):
        Served("http://localhost", folder=tmp_path).publish(name, vector())
    assert list(tmp_path.iterdir()) == []
