"""`trimtab pairs` as somebody would use it: written through a local server, reviewed, struck out, gone on with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from generation.scripted import built_in, said, wanted_in
from judges.conftest import Reaction, Server, server  # noqa: F401
from trimtab.cli.main import main
from trimtab.cli.verbs import pairs
from trimtab.data import BUILT_INS, read_pairs, write_pairs
from trimtab.generation import pair_key

CHEERFUL = built_in("cheerful")
GLAD = ["pairs", "generate", "is in good spirits", "--model", "openai-api/local/m", "-q"]


@pytest.fixture
def at(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:  # noqa: F811
    """The command, in a folder of its own, with a server that hands out good pairs."""
    monkeypatch.chdir(tmp_path)
    left = iter(CHEERFUL)
    server.react = lambda question: Reaction(said([d for _, d in zip(range(wanted_in(question)), left, strict=False)]))
    return [*GLAD, "--base-url", server.base_url]


def test_generate_writes_pairs_and_a_review_page_and_says_what_it_took(at, tmp_path, capsys):
    assert main([*at, "-n", "24", "--yes", "--price", "1,2"]) == 0
    assert len(read_pairs(tmp_path / "is-in-good-spirits.jsonl")) == 24
    assert "How long should I boil eggs" in (tmp_path / "is-in-good-spirits.review.html").read_text(encoding="utf-8")
    out = capsys.readouterr().out
    assert "24 of 24 pairs are in is-in-good-spirits.jsonl; 3 calls of m, 300 tokens in and 60 out" in out
    assert "text classifier: " in out
    assert "review: is-in-good-spirits.review.html" in out


def test_the_same_command_goes_on_and_asks_nothing_when_done(at, server, capsys):  # noqa: F811
    assert main([*at, "-n", "10", "--yes", "-o", "glad.jsonl"]) == 0
    assert main([*at, "-n", "20", "--yes", "-o", "glad.jsonl"]) == 0
    assert len(server.requests) == 2
    assert main([*at, "-n", "20", "-o", "glad.jsonl"]) == 0
    assert len(server.requests) == 2
    assert "20 of 20 pairs are in glad.jsonl" in capsys.readouterr().out


def test_a_dry_run_tells_the_cost_and_asks_and_writes_nothing(at, server, tmp_path, capsys):  # noqa: F811
    assert main([*at, "-n", "60", "--price", "0.15,0.6", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "at most 20 calls of m, about" in out
    assert "at the prices given" in out
    assert server.requests == []
    assert not list(tmp_path.glob("*.json*"))


def test_nothing_is_spent_where_nobody_agrees(at, server, tmp_path, capsys, monkeypatch):  # noqa: F811
    assert main(at) == 2
    err = capsys.readouterr().err
    assert "writing would take\nat most 20 calls of m" in err
    assert "give --yes, or a model that runs here" in err
    monkeypatch.setattr(pairs, "agreed", lambda *told: False)
    assert main(at) == 2
    assert "stopped before anything was asked or spent" in capsys.readouterr().err
    assert server.requests == []
    assert not list(tmp_path.glob("*.jsonl"))


def test_too_few_pairs_end_with_code_1_and_say_why(at, server, tmp_path, capsys):  # noqa: F811
    bad = [draft._replace(positive="I'm sorry, I can't help with that.") for draft in CHEERFUL[5:8]]
    server.react = lambda question: Reaction(said([*CHEERFUL[:9], *bad])[:-30])
    assert main([*at, "-n", "30", "--yes", "-o", "glad.jsonl"]) == 1
    out, err = capsys.readouterr()
    assert "9 of 30 pairs are in glad.jsonl" in out
    assert "× broken JSON" in out
    assert "× repeats a prompt" in out
    assert "too few pairs have passed" in err
    assert len(read_pairs(tmp_path / "glad.jsonl")) == 9


def test_no_pairs_at_all_end_with_code_1_and_no_page(at, server, tmp_path, capsys):  # noqa: F811
    server.react = lambda question: Reaction("I write poems only.")
    assert main([*at, "-n", "5", "--yes", "-o", "glad.jsonl"]) == 1
    assert "5 were dropped: 5 × no pair in an answer" in capsys.readouterr().out
    assert not list(tmp_path.glob("*.html"))


def test_a_failing_service_ends_with_a_message_and_the_pairs_so_far(at, server, tmp_path, capsys):  # noqa: F811
    answers = iter([Reaction(said(CHEERFUL[:10]))])
    server.react = lambda question: next(answers, Reaction("wrong key", status=401))
    assert main([*at, "-n", "20", "--yes", "-o", "glad.jsonl"]) == 2
    err = capsys.readouterr().err
    assert "the service refuses the key (401)" in err
    assert "glad.jsonl holds 10 pairs; the same command goes on from there" in err
    assert "Traceback" not in err


def test_another_behavior_is_refused_before_anything_is_asked(at, server, capsys):  # noqa: F811
    assert main([*at, "-n", "10", "--yes", "-o", "glad.jsonl"]) == 0
    other = [*at[:2], "is rude", *at[3:]]
    assert main([*other, "--yes", "-o", "glad.jsonl"]) == 2
    assert "not 'is rude'; name another file with -o" in capsys.readouterr().err
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--model", "gpt-4o-mini"], "needs its provider in front"),
        (["--price", "cheap"], "write dollars per million tokens"),
        (["--length-ratio", "long"], "neither a number nor off"),
        (["--length-ratio", "0.1"], "a number from 1 on, or off"),
        (["--batch", "0"], "a batch holds 1 to 50 pairs"),
        (["-n", "0"], "ask for at least one"),
        (["--examples", "none.jsonl"], "no such file"),
        (["-o", "pairs.txt"], "ends in .jsonl"),
        (["--kind", "both"], "Invalid value for '--kind'"),
    ],
)
def test_nonsense_is_explained(at, capsys, options, words):
    assert main([*at, "--yes", *options]) == 2
    err = capsys.readouterr().err
    assert words in err
    assert "Traceback" not in err


def test_review_of_any_file_flags_what_is_bad(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cheerful = BUILT_INS["cheerful"].load().pairs
    write_pairs("mine.jsonl", [*cheerful, *(p for p in BUILT_INS["permissive"].load().pairs[:1])])
    assert main(["pairs", "review", "mine.jsonl"]) == 0
    out = capsys.readouterr().out
    assert "71 pairs, open" in out
    assert "flagged: 4 of 71\nreview: mine.review.html" in out
    assert "declines to answer" in (tmp_path / "mine.review.html").read_text(encoding="utf-8")


def test_review_of_no_file_of_pairs_is_an_error(tmp_path, capsys):
    assert main(["pairs", "review", str(tmp_path / "none.jsonl")]) == 2
    assert "no such file" in capsys.readouterr().err


def test_strike_takes_out_what_the_page_saved(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cheerful = BUILT_INS["cheerful"].load().pairs[:5]
    write_pairs("mine.jsonl", cheerful)
    struck = {"struck": [{"key": pair_key(cheerful[1])}, {"key": "of another file"}]}
    Path("struck.json").write_text(json.dumps(struck), encoding="utf-8")
    assert main(["pairs", "strike", "mine.jsonl", "struck.json"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("1 pair removed, 4 left in mine.jsonl; 1 in struck.json is not there\nnext:\n")
    assert main(["pairs", "strike", "mine.jsonl", "mine.jsonl"]) == 2
    assert "mine.jsonl:2: broken JSON" in capsys.readouterr().err
