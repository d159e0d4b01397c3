"""Pairs written batch by batch: checked, counted, resumed, and fit for everything that comes after."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from generation.scripted import Scripted, as_draft, built_in, handing_out, said
from trimtab.data import BUILT_INS, check, dataset, read_pairs
from trimtab.errors import DataError, RunError, SettingError
from trimtab.generation import PairRecord, PairRequest, cost, count_existing, generate, remove_pairs
from trimtab.generation.record import record_path
from trimtab.generation.removal import pair_key
from trimtab.generation.request import Draft
from trimtab.llm import Completion

GLAD = PairRequest("is in good spirits", "is gloomy", count=30)
CHEERFUL = built_in("cheerful")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "made" / "glad.jsonl"


def prompts(path: Path) -> list[str]:
    return [as_draft(pair).prompt for pair in read_pairs(path)]


def test_as_many_pairs_as_wanted_are_written_in_batches(path: Path) -> None:
    writer = handing_out(CHEERFUL)
    made = generate(GLAD, writer, path)
    assert [as_draft(pair) for pair in made.pairs] == CHEERFUL[:30]
    assert made.batches == len(writer.questions) == 3
    assert made.dropped.total() == 0


def test_the_file_goes_into_everything_that_takes_pairs(path: Path) -> None:
    generate(GLAD, handing_out(CHEERFUL), path)
    assert check(path).ok
    behavior = dataset(path)
    assert len(behavior) == 30
    assert [len(part) for part in behavior.split()] == [15, 8, 7]
    assert behavior[0].meta == {"writer": "scripted/writer", "batch": 1}
    assert len({pair.id for pair in behavior}) == 30


def test_each_batch_is_shown_what_is_there_and_asked_for_other_situations(path: Path) -> None:
    writer = handing_out(CHEERFUL)
    generate(GLAD, writer, path)
    first, second, third = writer.questions
    assert "are there already" not in first
    assert json.dumps([d.prompt for d in CHEERFUL[:10]], ensure_ascii=False) in second
    assert json.dumps([d.prompt for d in CHEERFUL[:20]], ensure_ascii=False) in third
    asked = [q.split("one each:\n")[1].split("\n\n")[0].splitlines()[:10] for q in writer.questions]
    assert len({line.split(". ")[1] for lines in asked for line in lines}) == 30
    assert [manner.seed for manner in writer.manners] == [0, 1, 2]


def test_too_frequent_first_words_are_told_to_the_writer(path: Path) -> None:
    drafts = [draft._replace(positive=f"Great! {draft.positive}") for draft in CHEERFUL]
    writer = handing_out(drafts)
    generate(GLAD, writer, path)
    assert "begin otherwise: great\n" in writer.questions[1]


def test_bad_pairs_are_dropped_counted_and_replaced(path: Path) -> None:
    bad = [
        CHEERFUL[0]._replace(positive=f"Gladly! {CHEERFUL[0].positive}"),
        Draft("Is it late?", "I will answer in good spirits: no!", "Alas, it is."),
        Draft("Am I late?", "Sorry, I can't help with that.", "Alas, you are rather late."),
        Draft("Say it twice?", "Twice.", "Twice."),
    ]
    made = generate(GLAD, handing_out([CHEERFUL[0], *bad, *CHEERFUL[1:]]), path)
    assert [as_draft(pair) for pair in made.pairs] == CHEERFUL[:30]
    assert dict(made.dropped) == {
        "repeats a prompt": 1,
        "the positive completion announces the behavior": 1,
        "the positive completion declines to answer": 1,
        "positive and negative are equal; a pair needs two different completions": 1,
    }


def test_pairs_about_length_are_kept_once_that_shows(path: Path) -> None:
    made = generate(PairRequest("answers in one short sentence", count=20), handing_out(built_in("concise")), path)
    assert len(made.pairs) == 20
    assert made.dropped.total() == 0


def test_examples_show_what_is_about_length_before_many_pairs_are_there(path: Path) -> None:
    concise = built_in("concise")
    few = PairRequest("answers in one short sentence", count=2, batch=2)
    dropped = generate(few, handing_out(concise[:2]), path).dropped
    assert dropped["the negative completion is much longer"] == 2
    shown = replace(few, examples=BUILT_INS["concise"].load().pairs[10:15])
    path = path.with_name("shown.jsonl")
    assert [as_draft(pair) for pair in generate(shown, handing_out(concise[:2]), path).pairs] == concise[:2]


def test_uneven_pairs_are_dropped_unless_the_length_check_is_off(path: Path, tmp_path: Path) -> None:
    uneven = [d._replace(positive=d.positive * 4) if i % 3 == 0 else d for i, d in enumerate(CHEERFUL)]
    made = generate(PairRequest("is in good spirits", count=20), handing_out(uneven), path)
    assert made.dropped["the positive completion is much longer"] >= 9
    free = PairRequest("is in good spirits", count=20, length_ratio=None)
    assert generate(free, handing_out(uneven), tmp_path / "free.jsonl").dropped.total() == 0


def test_choice_pairs_have_as_many_first_options_as_second_ones(path: Path) -> None:
    drafts = [as_draft(pair) for pair in BUILT_INS["corrigible"].load()]
    generate(PairRequest("accepts being corrected", kind="choice", count=21), handing_out(drafts), path)
    labels = [pair.label for pair in dataset(path)]
    assert labels == ["A", "B"] * 10 + ["A"]
    assert check(path).ok


def test_examples_are_shown_and_not_repeated(path: Path) -> None:
    examples = BUILT_INS["cheerful"].load().pairs[:5]
    writer = handing_out(CHEERFUL)
    made = generate(PairRequest("is in good spirits", count=10, examples=examples), writer, path)
    assert json.dumps(CHEERFUL[2]._asdict(), ensure_ascii=False) in writer.questions[0]
    assert json.dumps(CHEERFUL[3]._asdict(), ensure_ascii=False) not in writer.questions[0]
    assert made.dropped == {"repeats a prompt": 5}
    assert not set(prompts(path)) & {draft.prompt for draft in CHEERFUL[:5]}


def test_a_writer_that_writes_nothing_readable_is_asked_a_bounded_number_of_times(path: Path) -> None:
    writer = Scripted(lambda batch, count: "I would rather talk about <b>soup</b>.")
    made = generate(GLAD, writer, path)
    assert len(writer.questions) == 11
    assert made.pairs == ()
    assert made.dropped == {"no pair in an answer": 11}
    assert not path.exists()


def test_a_writer_that_repeats_itself_leaves_what_it_wrote_once(path: Path) -> None:
    made = generate(GLAD, Scripted(lambda batch, count: said(CHEERFUL[:5])), path)
    assert [as_draft(pair) for pair in made.pairs] == CHEERFUL[:5]
    assert made.dropped == {"repeats a prompt": 50}


def test_an_answer_that_ends_at_the_limit_counts_as_such(path: Path) -> None:
    writer = Scripted(
        lambda batch, count: Completion(
            said(CHEERFUL[:10])[:-40] if not batch else said(CHEERFUL[9:]), truncated=not batch
        )
    )
    made = generate(PairRequest("is in good spirits", count=12), writer, path)
    assert made.dropped["the answer ends at the limit of tokens"] == 1
    assert made.dropped["broken JSON"] == 1
    assert len(made.pairs) == 12


def test_the_self_check_asks_about_every_completion_blind_and_drops_what_does_not_answer(path: Path) -> None:
    stray = Draft("Is the soup hot?", "Bicycles are a joy!", "Bicycles rust, sadly.")
    unsure = Draft("Is the tea cold?", "Lovely and cold, yes!", "Cold as everything else.")

    def judge(question: str) -> str:
        return (
            "No."
            if "Bicycles" in question
            else "Hard to say."
            if "Is the tea cold?" in question
            else "<think>No?</think> yes"
        )

    writer = handing_out([stray, unsure, *CHEERFUL[:8]], judge)
    made = generate(PairRequest("is in good spirits", count=8, self_check=True), writer, path)
    assert [as_draft(pair) for pair in made.pairs] == CHEERFUL[:8]
    assert made.dropped == {
        "a completion does not answer its prompt, says the writer": 1,
        "whether a completion answers its prompt: neither yes nor no was said": 1,
    }
    assert len(writer.checks) == 2 * made.read
    assert not any("spirits" in question or "positive" in question for question in writer.checks)
    assert {manner.temperature for manner in writer.manners} == {1.0, 0.0}


class Killed(BaseException): ...


def killed_after(batches: int, drafts: list[Draft]) -> Scripted:
    left = iter(drafts)

    def react(batch: int, count: int) -> str:
        if batch == batches:
            raise Killed
        return said([d for _, d in zip(range(count), left, strict=False)])

    return Scripted(react)


def test_the_same_call_goes_on_where_it_was_killed(path: Path) -> None:
    with pytest.raises(Killed):
        generate(GLAD, killed_after(2, CHEERFUL), path)
    assert [as_draft(pair) for pair in read_pairs(path)] == CHEERFUL[:20]
    assert count_existing(GLAD, path) == 20
    writer = handing_out(CHEERFUL[20:])
    generate(GLAD, writer, path)
    assert len(writer.questions) == 1
    assert [as_draft(pair) for pair in read_pairs(path)] == CHEERFUL[:30]
    assert not [file for file in path.parent.iterdir() if file.suffix == ".part"]


@pytest.mark.parametrize("between", ["write_pairs", "PairRecord.save"])
def test_killed_at_any_write_the_file_is_whole_and_goes_on(
    path: Path, monkeypatch: pytest.MonkeyPatch, between: str
) -> None:
    calls = 0

    def kill(*args: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise Killed
        real(*args)

    real = {"write_pairs": generate.__globals__["write_pairs"], "PairRecord.save": PairRecord.save}[between]
    with monkeypatch.context() as patched:
        patched.setattr(f"trimtab.generation.generating.{between}", kill)
        with pytest.raises(Killed):
            generate(GLAD, handing_out(CHEERFUL), path)
    kept = prompts(path)
    generate(GLAD, handing_out(CHEERFUL), path)
    assert prompts(path)[: len(kept)] == kept
    assert len(set(prompts(path))) == 30


def test_enough_pairs_ask_nothing_and_more_can_be_asked_for_later(path: Path) -> None:
    generate(GLAD, handing_out(CHEERFUL), path)
    writer = handing_out(CHEERFUL[30:])
    assert generate(GLAD, writer, path).batches == 0
    generate(PairRequest("is in good spirits", "is gloomy", count=35), writer, path)
    assert prompts(path) == [draft.prompt for draft in CHEERFUL[:35]]


def test_another_writer_may_go_on_and_every_pair_names_its_own(path: Path) -> None:
    with pytest.raises(Killed):
        generate(GLAD, killed_after(1, CHEERFUL), path)
    other = handing_out(CHEERFUL[10:])
    other.name = "other/writer"
    generate(GLAD, other, path)
    assert [pair.meta["writer"] for pair in dataset(path)] == ["scripted/writer"] * 10 + ["other/writer"] * 20
    assert PairRecord.open(path, GLAD).writers == ["scripted/writer", "other/writer"]


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (
            PairRequest("is rude", "is gloomy"),
            "holds pairs whose behavior is 'is in good spirits', not 'is rude'",
        ),
        (PairRequest("is in good spirits"), "whose opposite is 'is gloomy', not ''"),
        (
            PairRequest("is in good spirits", "is gloomy", kind="choice"),
            "whose kind of pairs is 'open', not 'choice'",
        ),
    ],
)
def test_pairs_for_something_else_are_never_mixed_in(path: Path, other: PairRequest, reason: str) -> None:
    generate(GLAD, handing_out(CHEERFUL), path)
    before = path.read_bytes()
    with pytest.raises(RunError, match=reason):
        generate(other, handing_out(CHEERFUL), path)
    assert path.read_bytes() == before


def test_a_file_from_elsewhere_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_text(json.dumps(CHEERFUL[0]._asdict()) + "\n", encoding="utf-8")
    with pytest.raises(RunError, match="was not written by"):
        generate(GLAD, handing_out(CHEERFUL), path)


def test_notes_of_pairs_that_are_gone_do_not_hinder(path: Path) -> None:
    generate(GLAD, handing_out(CHEERFUL), path)
    path.unlink()
    generate(PairRequest("is glad"), handing_out(CHEERFUL), path)
    assert PairRecord.open(path, PairRequest("is glad")).instruction == "is glad"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"instruction": 3}', '{"instruction": "is in good spirits"}'])
def test_damaged_notes_are_named(path: Path, content: str) -> None:
    path.parent.mkdir()
    record_path(path).write_text(content, encoding="utf-8")
    with pytest.raises(RunError, match=r"glad\.generation\.json(:1)?: .*move it and its pairs away"):
        generate(GLAD, handing_out(CHEERFUL), path)


def test_pairs_that_were_edited_into_nonsense_are_reported_and_kept(path: Path) -> None:
    generate(GLAD, handing_out(CHEERFUL), path)
    path.write_text("{broken\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"glad\.jsonl:1: broken JSON"):
        generate(GLAD, handing_out(CHEERFUL), path)
    assert path.read_text(encoding="utf-8") == "{broken\n"


def test_two_processes_do_not_write_the_same_file(path: Path) -> None:
    path.parent.mkdir()
    with FileLock(path.with_name(f".{path.name}.lock")), pytest.raises(RunError, match="another process"):
        generate(GLAD, handing_out(CHEERFUL), path)


def test_a_failing_service_stops_and_says_what_is_there(path: Path) -> None:
    writer = Scripted(
        lambda batch, count: said(CHEERFUL[:10]) if not batch else Completion(failure="no answer within 9 s")
    )
    with pytest.raises(RunError, match=r"scripted/writer: no answer within 9 s\n.*holds 10 pairs; the same command"):
        generate(GLAD, writer, path)
    assert len(read_pairs(path)) == 10


def test_struck_pairs_do_not_come_back(path: Path) -> None:
    generate(GLAD, handing_out(CHEERFUL), path)
    remove_pairs(path, [pair_key(pair) for pair in read_pairs(path)[:3]])
    made = generate(GLAD, handing_out([*CHEERFUL[:3], *CHEERFUL[30:]]), path)
    assert len(made.pairs) == 30
    assert not set(prompts(path)) & {draft.prompt for draft in CHEERFUL[:3]}


def test_hostile_texts_are_kept_as_text(path: Path) -> None:
    evil = [d._replace(prompt=f"</script><img src=x onerror=alert({i})> {d.prompt}") for i, d in enumerate(CHEERFUL)]
    generate(GLAD, handing_out(evil), path)
    assert prompts(path) == [draft.prompt for draft in evil[:30]]
    assert len(path.read_text(encoding="utf-8").splitlines()) == 30


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"instruction": " "}, "say what the positive completions do"),
        ({"instruction": "x" * 501}, "say it in 500"),
        ({"kind": "other"}, "open or choice"),
        ({"count": 0}, "at least one"),
        ({"batch": 0}, "1 to 50"),
        ({"batch": 51}, "1 to 50"),
        ({"length_ratio": 0.5}, "length ratio"),
        ({"length_ratio": float("nan")}, "length ratio"),
        ({"temperature": -1}, "temperature"),
    ],
)
def test_nonsense_is_refused(settings: dict[str, object], reason: str) -> None:
    with pytest.raises(SettingError, match=reason):
        PairRequest(**{"instruction": "is glad", **settings})  # type: ignore[arg-type]


def test_pairs_go_into_a_jsonl_file(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"ends in \.jsonl"):
        generate(GLAD, handing_out(CHEERFUL), tmp_path / "glad.json")


def test_the_cost_counts_the_most_batches_and_checks_there_can_be() -> None:
    plain = cost(GLAD, "openai/m", 0, (1.0, 2.0))
    assert plain.calls == 11
    assert plain.output_tokens == 11 * 10 * 150
    checked = cost(PairRequest("is in good spirits", "is gloomy", count=30, self_check=True), "openai/m", 0)
    assert checked.calls == 11 + 2 * 110
    assert cost(GLAD, "openai/m", 20).calls == 5
    assert cost(GLAD, "openai/m", 30).calls == 0


def test_what_is_asked_stays_within_what_was_told(path: Path) -> None:
    told = cost(GLAD, "m", 0)
    writer = Scripted(lambda batch, count: said(CHEERFUL[batch * 2 : batch * 2 + 2]))
    generate(GLAD, writer, path)
    assert len(writer.questions) <= told.calls
    assert sum(len(question) for question in writer.questions) / 4 < told.input_tokens
