"""What judges said is kept: nothing is asked, and paid for, twice."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from judges.conftest import Reaction, Server, verdict
from trimtab.errors import RunError, TrimtabWarning
from trimtab.judges import Exchange, LanguageModelJudge
from trimtab.llm import request_key
from trimtab.llm.cache import CompletionCache

EXCHANGES = [Exchange(f"question {i}", f"steered {i}", f"plain {i}") for i in range(4)]


def judge_of(server: Server, **options: Any) -> LanguageModelJudge:
    model = options.pop("model", "openai-api/local/m")
    settings = {"behavior": "cheerful", "base_url": server.base_url, "timeout_seconds": 20, **options}
    return LanguageModelJudge(model, **settings)


def test_a_second_run_asks_nothing_and_says_the_same(server: Server) -> None:
    server.react = lambda question: Reaction(verdict(7, 3))
    first = sorted(judge_of(server).judge(EXCHANGES))
    assert len(server.requests) == 8
    again = judge_of(server)
    assert sorted(again.judge(EXCHANGES)) == first
    assert len(server.requests) == 8
    assert (again.spent.calls, again.spent.cached) == (0, 8)


def test_one_judge_may_judge_in_many_threads_at_once(server: Server) -> None:
    judge, before = judge_of(server), sys.getswitchinterval()
    many = [[Exchange(f"question {t}.{i}", f"steered {t}.{i}", "plain") for i in range(12)] for t in range(8)]
    sys.setswitchinterval(1e-6)
    try:
        with warnings.catch_warnings(), ThreadPoolExecutor(8) as pool:
            warnings.simplefilter("error", TrimtabWarning)
            judged = list(pool.map(lambda some: sorted(judge.judge(some)), many))
    finally:
        sys.setswitchinterval(before)
    assert [len(some) for some in judged] == [12] * 8
    assert judge.spent.calls == len(server.requests) == 8 * 12 * 2
    assert sorted(judge_of(server).judge(many[3])) == judged[3]
    assert len(server.requests) == 8 * 12 * 2  # all of them were kept


def test_with_everything_known_neither_a_key_nor_the_service_is_needed(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    list(judge_of(server).judge(EXCHANGES))
    server.close()
    monkeypatch.delenv("LOCAL_API_KEY")
    assert not any(judgement.failure for _, judgement in judge_of(server).judge(EXCHANGES))


def test_only_what_could_be_read_is_kept(server: Server) -> None:
    server.react = lambda question: Reaction("no idea" if "steered 1" in question else verdict())
    list(judge_of(server).judge(EXCHANGES))
    server.requests.clear()
    server.react = lambda question: Reaction(verdict())
    assert not any(judgement.failure for _, judgement in judge_of(server).judge(EXCHANGES))
    assert len(server.requests) == 2
    assert all("steered 1" in prompt for prompt in server.prompts)


@pytest.mark.parametrize(
    "change",
    [{"behavior": "concise"}, {"description": "smiles"}, {"max_tokens": 99}, {"model": "openai-api/local/other"}],
)
def test_another_question_model_or_setting_is_asked_anew(server: Server, change: dict[str, Any]) -> None:
    list(judge_of(server).judge(EXCHANGES))
    assert judge_of(server, name="another name", attempts=1).cost(EXCHANGES).calls == 0
    assert judge_of(server, **change).cost(EXCHANGES).calls == 8


def test_another_server_is_another_judge_also_where_the_environment_names_it(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    list(judge_of(server).judge(EXCHANGES))
    monkeypatch.setenv("LOCAL_BASE_URL", server.base_url)
    assert judge_of(server, base_url=None).cost(EXCHANGES).calls == 0
    monkeypatch.setenv("LOCAL_BASE_URL", "http://127.0.0.1:9/v1")
    assert judge_of(server, base_url=None).cost(EXCHANGES).calls == 8


def test_a_path_can_be_given_and_no_cache_at_all(server: Server, tmp_path: Path) -> None:
    list(judge_of(server, cache=False).judge(EXCHANGES))
    assert not list(tmp_path.rglob("*.sqlite"))
    list(judge_of(server, cache=tmp_path / "of my own" / "said.db").judge(EXCHANGES))
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["said.db"]
    list(judge_of(server).judge(EXCHANGES))
    assert (tmp_path / "cache" / "judgements.sqlite").is_file()


def test_asking_for_the_cost_creates_no_file(server: Server, tmp_path: Path) -> None:
    judge_of(server).cost(EXCHANGES)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", [b"not a database" * 300, None])
def test_a_damaged_file_is_named_before_anything_is_asked(server: Server, tmp_path: Path, damage: bytes | None) -> None:
    path = tmp_path / "said.sqlite"
    if damage:
        path.write_bytes(damage)
    else:
        list(judge_of(server, cache=path).judge([Exchange(f"q{i}", "a" * 99, "b") for i in range(100)]))
        content = bytearray(path.read_bytes())
        content[4096:] = bytes(len(content) - 4096)
        path.write_bytes(content)
    asked = len(server.requests)
    for use in (judge_of(server, cache=path).cost, judge_of(server, cache=path).judge):
        with pytest.raises(RunError, match=r"said\.sqlite: the cache .* cannot be read .*move or delete the file"):
            use(EXCHANGES)
    assert len(server.requests) == asked


def test_a_reply_that_is_no_text_is_not_taken_for_one(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "said.sqlite"
    list(judge_of(server, cache=path).judge(EXCHANGES))
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE judgements SET said = x'ff'")
    with pytest.raises(RunError, match=r"said\.sqlite: .*a reply in it is no text"):
        judge_of(server, cache=path).cost(EXCHANGES)


def test_a_cache_that_cannot_be_written_costs_a_warning_and_no_judgement(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("")
    judge = judge_of(server, cache=tmp_path / "a file" / "said.sqlite")
    with pytest.warns(TrimtabWarning, match="the cache cannot be written") as warned:
        assert not any(judgement.failure for _, judgement in judge.judge(EXCHANGES))
    assert len([w for w in warned if w.category is TrimtabWarning]) == 1


def test_the_file_holds_what_was_said_and_the_tokens_it_took(server: Server, tmp_path: Path) -> None:
    server.react = lambda question: Reaction("Here: " + verdict(1, 2))
    list(judge_of(server).judge(EXCHANGES[:1]))
    with contextlib.closing(sqlite3.connect(tmp_path / "cache" / "judgements.sqlite")) as connection:
        rows = connection.execute("SELECT said, input_tokens, output_tokens FROM judgements").fetchall()
    assert rows == [("Here: " + verdict(1, 2), 100, 20)] * 2


WRITER = """
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from trimtab.llm.cache import CompletionCache
kept = CompletionCache(Path(sys.argv[1]))
for i in range(60):
    kept.store(f"{sys.argv[2]}-{i}", "said", 1, 1)
    kept.store(f"both-{i}", "said", 1, 1)
kept.close()
"""


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "said.sqlite"
    command = [sys.executable, "-W", "error", "-c", WRITER, str(path)]
    running = [subprocess.Popen([*command, name]) for name in ("one", "two")]
    assert [process.wait() for process in running] == [0, 0]
    keys = [f"{name}-{i}" for name in ("one", "two", "both") for i in range(60)]
    assert len(CompletionCache(path).look_up(keys)) == 180


def test_more_keys_than_sqlite_takes_at_once_are_looked_up(tmp_path: Path) -> None:
    kept = CompletionCache(tmp_path / "said.sqlite")
    kept.store("key-39999", "said", 1, 1)
    kept.close()
    assert kept.look_up([f"key-{i}" for i in range(40_000)]) == {"key-39999": "said"}


def test_keys_differ_wherever_what_shapes_the_answer_does() -> None:
    settings = {"temperature": 0, "max_tokens": 10}
    keys = {
        request_key("m", None, "q", settings),
        request_key("m", "", "q", settings),
        request_key("n", None, "q", settings),
        request_key("m", None, "r", settings),
        request_key("m", None, "q", {**settings, "max_tokens": 11}),
    }
    assert len(keys) == 5
