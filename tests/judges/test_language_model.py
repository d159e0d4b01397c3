"""A language model as judge, asked through inspect_ai on a real local server."""

from __future__ import annotations

import asyncio
import math
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from judges.conftest import KEY, Reaction, Server, completion, verdict
from trimtab.errors import SettingError
from trimtab.judges import Exchange, Judgement, LanguageModelJudge
from trimtab.llm import client

EXCHANGES = [Exchange(f"question {i}", f"steered {i}", f"plain {i}") for i in range(4)]


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "FIRST_PAUSE_SECONDS", 0.02)


def judge_of(server: Server, **options: Any) -> LanguageModelJudge:
    settings = {"behavior": "cheerful", "base_url": server.base_url, "timeout_seconds": 20, **options}
    return LanguageModelJudge("openai-api/local/m", **settings)


def judged(judge: LanguageModelJudge, exchanges: list[Exchange] = EXCHANGES) -> list[Judgement]:
    found = dict(judge.judge(exchanges))
    assert sorted(found) == list(range(len(exchanges)))
    return [found[i] for i in range(len(exchanges))]


def replies_in(question: str) -> tuple[str, str]:
    found = re.findall(r"<<<REPLY ([12])\n(.*?)\nREPLY \1>>>", question, re.DOTALL)
    assert [number for number, _ in found] == ["1", "2"]
    return found[0][1], found[1][1]


def only_for(word: str, reaction: Reaction) -> Any:
    """React so where a question holds the word, and rightly elsewhere."""
    return lambda question: reaction if word in question else Reaction(verdict(6, 4))


def test_a_liking_for_the_first_reply_cancels_exactly(server: Server) -> None:
    server.react = lambda question: Reaction(verdict(9, 2, coherence=(10, 7)))
    assert judged(judge_of(server)) == [Judgement(score=5.5, change=0.0, coherence=8.5)] * 4


def test_a_judge_that_sees_the_behavior_finds_the_change(server: Server) -> None:
    def react(question: str) -> Reaction:
        scores = [reply.count("yay") for reply in replies_in(question)]
        return Reaction(verdict(*scores, coherence=tuple(10 - score for score in scores)))

    server.react = react
    exchanges = [Exchange("q", "yay " * 7, "yay"), Exchange("q", "no", "yay yay"), Exchange("q", "yay", "yay")]
    assert judged(judge_of(server), exchanges) == [
        Judgement(score=7.0, change=6.0, coherence=3.0),
        Judgement(score=0.0, change=-2.0, coherence=10.0),
        Judgement(score=1.0, change=0.0, coherence=9.0),
    ]


def test_both_orders_are_asked_and_neither_tells_which_reply_is_steered(server: Server) -> None:
    judged(judge_of(server), [Exchange("q", "alpha", "beta")])
    assert {replies_in(prompt) for prompt in server.prompts} == {("alpha", "beta"), ("beta", "alpha")}
    stripped = {prompt.replace("alpha", "X").replace("beta", "X") for prompt in server.prompts}
    assert len(stripped) == 1
    assert not re.search(r"steer|vector|intervention|baseline|original", stripped.pop(), re.IGNORECASE)


def test_identical_replies_and_repeated_exchanges_are_asked_once(server: Server) -> None:
    server.react = lambda question: Reaction(verdict(8, 3))
    same = Exchange("q", "the same", "the same")
    other = Exchange("q", "one", "two")
    assert judged(judge_of(server), [same, other, same, other])[0] == Judgement(score=5.5, change=0.0, coherence=9.0)
    assert len(server.requests) == 3


def test_questions_are_asked_at_temperature_zero_with_a_token_limit(server: Server) -> None:
    judged(judge_of(server, max_tokens=77), EXCHANGES[:1])
    assert [(r["temperature"], r["max_tokens"]) for r in server.requests] == [(0, 77), (0, 77)]


BROKEN = {
    "rubbish": (Reaction("As you like it."), "no JSON object"),
    "refusal": (Reaction("I'm sorry, I can't help with that."), "I'm sorry, I can't help"),
    "nothing": (Reaction(""), "empty"),
    "wrong type": (Reaction(verdict().replace("5", "true", 1)), "behavior of reply_1 is not a number"),
    "429 forever": (Reaction("slow down", status=429), r"limits the rate.*\(429\): .*slow down"),
    "500 forever": (Reaction("oops", status=500), r"the service fails \(500\)"),
    "400": (Reaction("bad request", status=400), r"refuses the question \(400\)"),
    "closed connection": (Reaction(drop=True), "Server disconnected"),
    "a web page": (Reaction(raw="<html>"), "JSONDecodeError"),
    "a list": (Reaction(raw="[1, 2]"), r"the request fails"),
    "choices of the wrong type": (Reaction(raw='{"choices": "none", "usage": 3}'), "the request fails"),
    "no choices": (Reaction(raw='{"id": "1", "object": "chat.completion", "choices": []}'), "the request fails"),
}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.filterwarnings("ignore:Pydantic serializer")
def test_what_goes_wrong_with_one_exchange_is_its_own_failure(server: Server, kind: str) -> None:
    reaction, reason = BROKEN[kind]
    server.react = only_for("steered 2", reaction)
    found = judged(judge_of(server))
    assert re.search(reason, found[2].failure)
    assert all(math.isnan(number) for number in (found[2].score, found[2].change, found[2].coherence))
    assert [found[i] for i in (0, 1, 3)] == [Judgement(score=5.0, change=0.0, coherence=9.0)] * 3


def test_a_service_that_hangs_is_left_after_the_timeout(server: Server) -> None:
    server.react = only_for("steered 2", Reaction(hang=True))
    start = time.monotonic()
    found = judged(judge_of(server, timeout_seconds=1, attempts=2))
    assert found[2].failure == "no answer within 1 s"
    assert not any(found[i].failure for i in (0, 1, 3))
    assert 2 <= time.monotonic() - start < 6


@pytest.mark.parametrize("stray", ["\\ud800", "\\u0000", "😀"])
def test_strange_characters_around_a_verdict_do_no_harm(server: Server, stray: str) -> None:
    body = completion(Reaction("STRAY" + verdict(6, 4))).replace("STRAY", stray)
    server.react = lambda question: Reaction(raw=body)
    judge = judge_of(server)
    assert not any(j.failure for j in judged(judge))
    assert judge.cost(EXCHANGES).calls == 0


def test_an_answer_cut_at_the_token_limit_is_told_so(server: Server) -> None:
    body = completion(Reaction(verdict()[:40])).replace('"stop"', '"length"')
    server.react = lambda question: Reaction(raw=body)
    assert judged(judge_of(server, max_tokens=12))[0].failure.endswith("(it ends at the limit of 12 tokens)")


def test_one_order_alone_is_no_judgement(server: Server) -> None:
    server.react = only_for("REPLY 1\nsteered 2", Reaction("no"))
    assert [bool(j.failure) for j in judged(judge_of(server))] == [False, False, True, False]


@pytest.mark.parametrize(("attempts", "fails"), [(3, False), (2, True)])
def test_a_rate_limit_is_waited_for_within_the_attempts(server: Server, attempts: int, fails: bool) -> None:
    seen: dict[str, int] = {}

    def react(question: str) -> Reaction:
        seen[question] = seen.get(question, 0) + 1
        return Reaction("slow", status=429) if seen[question] <= 2 else Reaction(verdict())

    server.react = react
    found = judged(judge_of(server, attempts=attempts, stop_after=100))
    assert [bool(j.failure) for j in found] == [fails] * 4
    assert set(seen.values()) == {attempts}


def test_the_wait_that_a_service_asks_for_is_kept(server: Server) -> None:
    times: list[float] = []

    def react(question: str) -> Reaction:
        times.append(time.monotonic())
        return Reaction("slow", 429, {"Retry-After": "0.4"}) if len(times) == 1 else Reaction(verdict())

    server.react = react
    assert not judged(judge_of(server), [Exchange("q", "same", "same")])[0].failure
    assert times[1] - times[0] >= 0.4


@pytest.mark.parametrize("reaction", [Reaction("no", 401), Reaction("slow", 429), Reaction(drop=True)])
def test_a_dead_service_is_given_up_after_some_questions(server: Server, reaction: Reaction) -> None:
    server.react = lambda question: reaction
    exchanges = [Exchange(f"q{i}", "a", "b") for i in range(100)]
    found = judged(judge_of(server, attempts=2, max_connections=2), exchanges)
    assert all(j.failure for j in found)
    assert found[-1].failure.startswith("not asked, as 5 questions in a row failed before it; the last: ")
    assert len(server.requests) <= 2 * (5 + 2)


def test_unreadable_answers_do_not_make_a_service_dead(server: Server) -> None:
    server.react = lambda question: Reaction("hm")
    exchanges = [Exchange(f"q{i}", "a", "b") for i in range(20)]
    assert all("no JSON object" in j.failure for j in judged(judge_of(server), exchanges))
    assert len(server.requests) == 40


def test_nobody_listens(server: Server) -> None:
    server.close()
    assert "Connection" in judged(judge_of(server, attempts=1), EXCHANGES[:1])[0].failure


def test_keys_are_in_no_failure_and_not_in_the_cache(server: Server, tmp_path: Any) -> None:
    server.react = lambda question: Reaction(f"Incorrect API key provided: {KEY} or sk-ver*******cdef", status=401)
    failures = [j.failure for j in judged(judge_of(server))]
    assert all("(401)" in failure and "[hidden]" in failure for failure in failures)
    assert not any("sk-" in failure or "cdef" in failure for failure in failures)
    server.react = lambda question: Reaction(verdict())
    judged(judge_of(server))
    assert all(KEY.encode() not in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())


def test_judgements_come_as_soon_as_they_are_known(server: Server) -> None:
    server.react = only_for("steered 3", Reaction(hang=True))
    results = judge_of(server, timeout_seconds=30).judge(EXCHANGES)
    assert sorted(next(results)[0] for _ in range(3)) == [0, 1, 2]
    close(results)


def close(results: Iterator[Any]) -> None:
    start = time.monotonic()
    results.close()
    assert time.monotonic() - start < 2
    assert not [thread for thread in threading.enumerate() if thread.name == "trimtab-judge"]


def test_closing_the_iterator_stops_the_work_and_keeps_what_came(server: Server) -> None:
    exchanges = [Exchange(f"q{i}", "a", "b") for i in range(500)]
    judge = judge_of(server, max_connections=2)
    results = judge.judge(exchanges)
    next(results)
    close(results)
    asked = len(server.requests)
    assert asked < 1000
    time.sleep(0.1)
    assert len(server.requests) == asked
    assert judge_of(server).cost(exchanges).cached == judge.spent.calls >= 2


def test_ctrl_c_ends_the_work_promptly(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.react = lambda question: Reaction(hang=True)
    timer = threading.Timer(0.5, lambda: __import__("_thread").interrupt_main())
    # A suite that was started in the background ignores Ctrl-C, and nothing would interrupt it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        timer.start()
        start = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            list(judge_of(server, timeout_seconds=30).judge(EXCHANGES))
        assert time.monotonic() - start < 3
    finally:
        signal.signal(signal.SIGINT, before)
    assert not [thread for thread in threading.enumerate() if thread.name == "trimtab-judge"]


def test_it_works_inside_a_running_event_loop_as_in_jupyter(server: Server) -> None:
    async def cell() -> list[Judgement]:
        return judged(judge_of(server))

    assert not any(j.failure for j in asyncio.run(cell()))


def test_two_judges_of_one_model_take_turns_without_waiting_for_each_other(server: Server) -> None:
    one, two = (judge_of(server, behavior=b, max_connections=1).judge(EXCHANGES) for b in ("cheerful", "concise"))
    both = list(zip(one, two, strict=True))
    assert len(both) == 4
    assert not any(j.failure for pair in both for _, j in pair)


def test_without_inspect_ai_the_message_is_the_line_to_type(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "inspect_ai", None)
    monkeypatch.setitem(sys.modules, "inspect_ai.model", None)
    judge = judge_of(server)
    assert judge.cost(EXCHANGES).calls == 8
    for use in (judge.check, lambda: judge.judge(EXCHANGES)):
        with pytest.raises(SettingError, match=re.escape("pip install 'trimtab[judge]'")):
            use()


def test_a_missing_key_is_told_before_anything_is_sent(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCAL_API_KEY")
    hook = sys.excepthook
    for use in (judge_of(server).check, lambda: judge_of(server).judge(EXCHANGES)):
        with pytest.raises(SettingError, match="No LOCAL_API_KEY defined in the environment"):
            use()
    assert sys.excepthook is hook
    assert not server.requests


def test_a_provider_that_does_not_exist_is_told() -> None:
    with pytest.raises(SettingError, match="nobody"):
        LanguageModelJudge("nobody/m", behavior="b").check()


@pytest.mark.parametrize(
    "wrong",
    [
        {"model": "gpt-4o-mini"},
        {"model": ""},
        {"attempts": 0},
        {"timeout_seconds": 0.5},
        {"max_connections": -1},
        {"stop_after": 0},
        {"price": (0.1, -1)},
        {"price": (0.1,)},
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingError):
        LanguageModelJudge(**{"model": "openai/m", "behavior": "b", **wrong})


def test_nothing_to_judge_asks_nothing_and_needs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "inspect_ai.model", None)
    assert list(LanguageModelJudge("openai/m", behavior="b", cache=False).judge([])) == []


def test_importing_judges_does_not_import_inspect_ai() -> None:
    import subprocess

    code = "import sys, trimtab.judges; assert not {'inspect_ai', 'openai'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
