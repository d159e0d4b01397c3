"""What judging will take, and what it took."""

from __future__ import annotations

from typing import Any

import pytest

from judges.conftest import Server
from trimtab.judges import Cost, Exchange, LanguageModelJudge
from trimtab.llm import estimate_tokens

EXCHANGES = [Exchange(f"q{i % 5}", f"steered {i % 7}", f"plain {i % 2}") for i in range(12)] + [Exchange("q", "s", "s")]


def judge_of(server: Server, **options: Any) -> LanguageModelJudge:
    return LanguageModelJudge("openai-api/local/m", behavior="b", base_url=server.base_url, **options)


def test_the_cost_is_the_calls_that_the_server_then_sees(server: Server) -> None:
    judge = judge_of(server)
    ahead = judge.cost(EXCHANGES)
    assert not server.requests
    list(judge.judge(EXCHANGES))
    assert ahead.calls == len(server.requests) == len(set(server.prompts)) == judge.spent.calls
    assert ahead.input_tokens == sum(-(-len(prompt) // 4) for prompt in server.prompts)
    assert ahead.output_tokens == 50 * ahead.calls


def test_what_is_in_the_cache_costs_nothing(server: Server) -> None:
    list(judge_of(server).judge(EXCHANGES[:3]))
    ahead = judge_of(server).cost(EXCHANGES[:6])
    assert (ahead.calls, ahead.cached) == (6, 6)
    server.requests.clear()
    list(judge_of(server).judge(EXCHANGES[:6]))
    assert len(server.requests) == 6


def test_what_was_spent_is_what_the_service_reported(server: Server) -> None:
    judge = judge_of(server, price=(1.0, 10.0))
    list(judge.judge(EXCHANGES[:3]))
    list(judge.judge(EXCHANGES[:3]))
    spent = judge.spent
    assert (spent.calls, spent.cached, spent.input_tokens, spent.output_tokens) == (6, 6, 600, 120)
    assert spent.dollars == pytest.approx((600 * 1 + 120 * 10) / 1e6)


def test_a_cost_reads_as_one_line() -> None:
    cost = Cost("openai/gpt-4o-mini", 480, 96, 312_345, 24_000, (0.15, 0.6))
    assert str(cost) == (
        "at most 480 calls of gpt-4o-mini, about 310,000 tokens in and 24,000 out, about $0.06 at the prices given; "
        "96 more are in the cache"
    )
    spent = Cost("openai/gpt-4o-mini", 1, 0, 1_234, 24, estimated=False)
    assert str(spent) == "1 call of gpt-4o-mini, 1,234 tokens in and 24 out"
    assert str(Cost("a/m", 0, 5)) == "no calls of m; 5 are in the cache"
    assert str(Cost("a/m", 2, 1, 7, 8, (0.1, 0.1))) == (
        "at most 2 calls of m, about 7 tokens in and 8 out, less than $0.01 at the prices given; 1 more is in the cache"
    )


def test_tokens_are_characters_over_four_rounded_up() -> None:
    assert [estimate_tokens("x" * n) for n in (0, 1, 4, 5)] == [0, 1, 1, 2]
