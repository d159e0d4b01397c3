"""Writers: a service as inspect_ai reaches it, on a real local server, and a model that is loaded here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from generation.scripted import CHECK, built_in, said, wanted_in
from judges.conftest import KEY, Reaction, Server, server  # noqa: F401
from tiny import tiny
from trimtab.data import read_pairs
from trimtab.engines import Model
from trimtab.errors import RunError, SettingError
from trimtab.generation import LocalWriter, PairRequest, ServiceWriter, generate
from trimtab.generation._writer_prompts import read_check
from trimtab.generation.writers import SamplingSettings
from trimtab.llm import Completion, client

GLAD = PairRequest("is in good spirits", "is gloomy", count=20)
CHEERFUL = built_in("cheerful")
MANNER = SamplingSettings(0.7, 5, 100, 30, bool)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "FIRST_PAUSE_SECONDS", 0.02)


def writer_at(server: Server, **options: Any) -> ServiceWriter:  # noqa: F811
    return ServiceWriter("openai-api/local/m", base_url=server.base_url, timeout_seconds=20, **options)


def handing_out(server: Server) -> None:  # noqa: F811
    """Let the server write pairs, and find that all completions answer."""
    left = iter(CHEERFUL)

    def react(question: str) -> Reaction:
        if question.startswith(CHECK):
            return Reaction("yes")
        return Reaction(f"```json\n{said([d for _, d in zip(range(wanted_in(question)), left, strict=False)])}\n```")

    server.react = react


def test_a_service_writes_a_file_of_pairs(server: Server, tmp_path: Path) -> None:  # noqa: F811
    handing_out(server)
    writer = writer_at(server, price=(1.0, 2.0))
    made = generate(GLAD, writer, tmp_path / "glad.jsonl")
    assert len(read_pairs(tmp_path / "glad.jsonl")) == len(made.pairs) == 20
    assert (writer.spent.calls, writer.spent.input_tokens, writer.spent.output_tokens) == (2, 200, 40)
    assert writer.spent.dollars == pytest.approx((200 + 80) / 1e6)


def test_the_self_check_goes_through_the_service_many_at_once(server: Server, tmp_path: Path) -> None:  # noqa: F811
    handing_out(server)
    wanted = PairRequest("is in good spirits", count=10, self_check=True)
    generate(wanted, writer_at(server), tmp_path / "glad.jsonl")
    assert len(server.requests) == 1 + 20


def test_temperature_seed_and_limit_reach_the_service(server: Server) -> None:  # noqa: F811
    writer_at(server).write(["q"], MANNER)
    request = server.requests[0]
    assert (request["temperature"], request["seed"], request["max_tokens"]) == (0.7, 5, 130)


def test_answers_are_kept_so_that_nothing_is_paid_for_twice(server: Server, tmp_path: Path) -> None:  # noqa: F811
    handing_out(server)
    first = generate(GLAD, writer_at(server), tmp_path / "one.jsonl")
    again = writer_at(server)
    second = generate(GLAD, again, tmp_path / "two.jsonl")
    assert second.pairs == first.pairs
    assert len(server.requests) == 2
    assert (again.spent.calls, again.spent.cached) == (0, 2)


def test_another_seed_temperature_or_model_is_asked_anew(server: Server) -> None:  # noqa: F811
    server.react = lambda question: Reaction("text")
    for manner in (MANNER, SamplingSettings(0.7, 6, 100, 30, bool), SamplingSettings(0.8, 5, 100, 30, bool)):
        writer_at(server).write(["q"], manner)
    ServiceWriter("openai-api/local/other", base_url=server.base_url).write(["q"], MANNER)
    assert len(server.requests) == 4
    writer_at(server).write(["q"], MANNER)
    assert len(server.requests) == 4


def test_answers_come_in_the_order_of_the_questions_also_when_some_are_known(server: Server) -> None:  # noqa: F811
    server.react = lambda question: Reaction(question.upper())
    writer_at(server).write(["b", "d"], MANNER)
    assert [s.text for s in writer_at(server).write(["a", "b", "c", "d", "a"], MANNER)] == ["A", "B", "C", "D", "A"]
    assert sorted(server.prompts) == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("reaction", "reason"),
    [
        (Reaction(f"Incorrect API key provided: {KEY}", status=401), r"refuses the key \(401\)"),
        (Reaction("slow down", status=429), r"limits the rate.*\(429\)"),
        (Reaction("oops", status=500), r"the service fails \(500\)"),
        (Reaction(raw="<html>"), "the request fails"),
    ],
)
def test_what_a_service_does_wrong_is_told_without_secrets(
    server: Server,  # noqa: F811
    tmp_path: Path,
    reaction: Reaction,
    reason: str,
) -> None:
    server.react = lambda question: reaction
    with pytest.raises(RunError, match=rf"(?s)the writer openai-api/local/m: .*{reason}.*goes on from there") as told:
        generate(GLAD, writer_at(server), tmp_path / "glad.jsonl")
    assert KEY not in str(told.value)
    handing_out(server)
    assert len(generate(GLAD, writer_at(server), tmp_path / "glad.jsonl").pairs) == 20


def test_a_rate_limit_that_passes_is_waited_for(server: Server, tmp_path: Path) -> None:  # noqa: F811
    handing_out(server)
    write, tries = server.react, iter([Reaction("slow down", status=429)])
    server.react = lambda question: next(tries, None) or write(question)
    assert len(generate(GLAD, writer_at(server), tmp_path / "glad.jsonl").pairs) == 20


def test_what_is_missing_to_ask_shows_before_anything_is_asked(
    server: Server,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("LOCAL_API_KEY")
    with pytest.raises(SettingError, match=r"the writer openai-api/local/m: .*LOCAL_API_KEY"):
        writer_at(server).check()
    with pytest.raises(SettingError, match="the writer nobody/m"):
        ServiceWriter("nobody/m").check()
    assert server.requests == []


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"model": "gpt-4o-mini"}, "the writer 'gpt-4o-mini' needs its provider in front"),
        ({"timeout_seconds": 0}, "timeout_seconds of a writer"),
        ({"price": (1.0, -1.0)}, "price is dollars"),
    ],
)
def test_nonsense_is_refused(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(SettingError, match=reason):
        ServiceWriter(**{"model": "openai/m", **settings})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Yes.", True),
        ("no", False),
        ("**No**, it is about bicycles.", False),
        ("<think>yes or no?</think>\nYES", True),
        ("yes and no", None),
        ("Maybe", None),
        ("", None),
        ("<think>yes", None),
    ],
)
def test_yes_and_no_are_read_and_nothing_is_guessed(text: str, found: bool | None) -> None:
    assert read_check(text) is found


def test_a_local_model_writes_the_same_for_the_same_seed_and_stops_when_it_is_enough() -> None:
    writer = LocalWriter(Model(tiny("llama")))
    asked = ["Name a colour.", "Name a fruit."]
    first = writer.write(asked, SamplingSettings(0.8, 3, 12, 0, lambda text: False))
    assert writer.write(asked, SamplingSettings(0.8, 3, 12, 0, lambda text: False)) == first
    assert writer.write(asked, SamplingSettings(0.8, 4, 12, 0, lambda text: False)) != first
    short = writer.write(asked, SamplingSettings(0.8, 3, 12, 0, lambda text: len(text) > 3))
    assert all(whole.text.startswith(part.text) for whole, part in zip(first, short, strict=True))
    assert sum(len(said.text) for said in short) < sum(len(said.text) for said in first)
    assert writer.name == "tiny-llama"


def test_a_local_model_that_writes_nonsense_leaves_no_pairs(tmp_path: Path) -> None:
    made = generate(PairRequest("is glad", count=1, batch=1), Brief(Model(tiny("llama"))), tmp_path / "glad.jsonl")
    assert made.batches == 5
    assert made.pairs == ()
    assert made.dropped == {"no pair in an answer": 5}


class Brief(LocalWriter):
    """Ten tokens at most: nonsense takes any length."""

    def write(self, questions: Sequence[str], manner: SamplingSettings) -> list[Completion]:
        return super().write(questions, replace(manner, max_tokens=10))
