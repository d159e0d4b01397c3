"""A regular expression as judge."""

from __future__ import annotations

import math
import time

import pytest

from trimtab.errors import SettingError
from trimtab.judges import Exchange, PatternJudge
from trimtab.judges import pattern as module


@pytest.mark.parametrize(
    ("reply", "unsteered", "score", "change"),
    [("Yay!", "well", 10, 10), ("well", "yay", 0, -10), ("yay", "yay", 10, 0), ("", "", 0, 0)],
)
def test_found_is_ten_and_not_found_is_zero(reply: str, unsteered: str, score: float, change: float) -> None:
    [(index, judgement)] = PatternJudge("(?i)yay").judge([Exchange("q", reply, unsteered)])
    assert (index, judgement.score, judgement.change, judgement.failure) == (0, score, change, "")
    assert math.isnan(judgement.coherence)


def test_every_exchange_has_one_judgement_in_order() -> None:
    exchanges = [Exchange("q", "x" * i, "") for i in range(5)]
    assert [i for i, _ in PatternJudge("x{3}", name="three").judge(exchanges)] == [0, 1, 2, 3, 4]
    assert PatternJudge("x", name="three").name == "three"


@pytest.mark.parametrize(("pattern", "said"), [("a(b", "position"), ("[z-a]", "position"), ("*x", "position 0")])
def test_a_pattern_that_is_none_is_refused_with_its_place(pattern: str, said: str) -> None:
    with pytest.raises(SettingError, match=said) as raised:
        PatternJudge(pattern)
    assert repr(pattern) in str(raised.value)


def test_a_pattern_that_never_ends_is_a_failure_and_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_SECONDS", 0.2)
    exchanges = [Exchange("q", "a" * 5_000 + "!", ""), Exchange("q", "aaa", "b")]
    start = time.monotonic()
    (_, endless), (_, fine) = PatternJudge(r"^(a|aa)+$").judge(exchanges)
    assert time.monotonic() - start < 5
    assert endless.failure == "the pattern takes longer than 0.2 s on this reply"
    assert (fine.score, fine.change) == (10, 10)


def test_only_the_beginning_of_an_endless_reply_is_searched() -> None:
    [(_, judgement)] = PatternJudge("needle").judge([Exchange("q", "x" * 30_000 + "needle", "needle")])
    assert (judgement.score, judgement.change) == (0, -10)


def test_after_a_few_endless_replies_the_rest_is_not_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_SECONDS", 0.05)
    exchanges = [Exchange("q", "a" * 5_000 + "!", "")] * 200
    start = time.monotonic()
    failures = [judgement.failure for _, judgement in PatternJudge(r"^(a|aa)+$").judge(exchanges)]
    assert time.monotonic() - start < 5
    assert sum("takes longer" in failure for failure in failures) == 5
    assert sum("not searched" in failure for failure in failures) == 195


@pytest.mark.parametrize(
    "pattern",
    ["(" * 5000 + ")" * 5000, "(" * 400 + ")" * 400, "a" * 5000, "a{99999999999}", "(a{9999}){99999}", "(?<n"],
)
def test_patterns_that_cannot_be_compiled_are_refused_in_words(pattern: str) -> None:
    with pytest.raises(SettingError, match="the pattern") as caught:
        PatternJudge(pattern)
    assert len(str(caught.value)) < 300
