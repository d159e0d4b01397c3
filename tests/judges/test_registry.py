"""All registered judges: which settings shape verdicts, and what users can read about them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from trimtab.data import BUILT_INS
from trimtab.judges import JUDGES, MAX_SCORE, VERDICTS, Exchange, JudgeSettings, LanguageModelJudge, parse_judge
from trimtab.judges import _judge_prompts as prompts

DOCS = Path(__file__).parents[2] / "docs" / "judges.md"
CHEERFUL = BUILT_INS["cheerful"].load()

BASE: dict[str, dict[str, Any]] = {
    "classifier": {"classifier": True},
    "model": {"model": "openai/gpt-4o-mini"},
    "pattern": {"pattern": "(?i)great"},
}
SHARED = {"name": "mine", "behaviors": ["cheerful"]}
OTHER: dict[str, dict[str, Any]] = {
    "classifier": SHARED,  # its key is always true
    "model": SHARED
    | {
        "model": "openai/gpt-4o",
        "base_url": "http://127.0.0.1:8000/v1",
        "price": [1, 2],
        "timeout_seconds": 5,
        "attempts": 1,
        "max_connections": 2,
    },
    "pattern": SHARED | {"pattern": "great"},
}
"""Another value for every field of every judge: a new judge or field has to be added here."""
SHAPING = {"classifier": {"classifier"}, "model": {"model", "base_url"}, "pattern": {"pattern"}}


def fields() -> list[tuple[str, str]]:
    """Every field that has another value; the test below holds these and the others to all that there are."""
    return [
        (judge, field) for judge in JUDGES.names() for field in JUDGES.get(judge).model_fields if field in OTHER[judge]
    ]


def test_every_field_of_every_judge_is_looked_at_here() -> None:
    assert set(BASE) == set(JUDGES.names())
    for judge in JUDGES.names():
        assert set(JUDGES.get(judge).model_fields) == set(OTHER[judge]) | set(BASE[judge])
        assert set(JUDGES.get(judge).shaping_fields()) == SHAPING[judge]


@pytest.mark.parametrize(("judge", "field"), fields())
def test_judges_that_differ_in_a_shaping_field_differ_in_fingerprint_and_others_do_not(judge: str, field: str) -> None:
    one, other = parse_judge(BASE[judge]), parse_judge(BASE[judge] | {field: OTHER[judge][field]})
    assert one != other
    same = one.fingerprint(CHEERFUL) == other.fingerprint(CHEERFUL)
    assert same == (field not in SHAPING[judge])


@pytest.mark.parametrize("field", sorted(OTHER["model"]))
def test_language_models_that_differ_in_a_shaping_field_never_share_a_cached_verdict(field: str) -> None:
    exchange = Exchange("How are you?", "Wonderful!", "Fine.")
    keys = []
    for content in (BASE["model"], BASE["model"] | {field: OTHER["model"][field]}):
        judge = parse_judge(content).build(CHEERFUL)
        assert isinstance(judge, LanguageModelJudge)
        keys.append(judge.request_key(exchange, steered_first=True))
    assert (keys[0] == keys[1]) == (field not in SHAPING["model"])


@pytest.mark.parametrize(
    ("judge", "parts"),
    [
        ({"classifier": True}, ["classifier", "", None, ""]),
        ({"pattern": "(?i)great"}, ["pattern", "", None, "(?i)great"]),
        ({"model": "a/b"}, ["language model", "a/b", None, ""]),
        ({"model": "a/b", "base_url": "http://h/v1"}, ["language model", "a/b", "http://h/v1", ""]),
    ],
)
def test_built_in_judges_know_the_fingerprint_that_manifests_of_schema_1_hold(
    judge: dict[str, Any], parts: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = parse_judge(judge)
    text = json.dumps([*parts, CHEERFUL.name, CHEERFUL.description, CHEERFUL.hash])
    assert settings.former_fingerprint(CHEERFUL) == hashlib.sha256(text.encode()).hexdigest()[:16]
    monkeypatch.setattr(type(settings), "version", 2)
    assert settings.former_fingerprint(CHEERFUL) == ""


@pytest.mark.parametrize("judge", BASE)
@pytest.mark.parametrize("change", ["name", "description", "pairs"])
def test_judges_of_other_behaviors_or_pairs_differ_in_fingerprint(judge: str, change: str) -> None:
    changed: dict[str, Any] = {change: CHEERFUL.pairs[1:] if change == "pairs" else "glad"}
    other = replace(CHEERFUL, **changed)
    settings = parse_judge(BASE[judge])
    assert settings.fingerprint(CHEERFUL) != settings.fingerprint(other)


@pytest.mark.parametrize("text", ["_OPENING", "_MATERIAL", "_SCALES"])
def test_another_prompt_is_another_language_model_judge(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = parse_judge(BASE["model"])
    before = settings.fingerprint(CHEERFUL)
    monkeypatch.setattr(prompts, text, getattr(prompts, text) + "Be strict.\n")
    assert settings.fingerprint(CHEERFUL) != before


def test_another_address_in_the_environment_is_another_language_model_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = parse_judge(BASE["model"])
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    before = settings.fingerprint(CHEERFUL)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1")
    assert settings.fingerprint(CHEERFUL) != before


@pytest.mark.parametrize("judge", BASE)
def test_another_version_of_the_code_is_another_judge(judge: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = parse_judge(BASE[judge])
    before = settings.fingerprint(CHEERFUL)
    monkeypatch.setattr(type(settings), "version", settings.version + 1)
    assert settings.fingerprint(CHEERFUL) != before


@pytest.mark.parametrize("judge", ["classifier", "pattern"])
def test_every_judge_that_runs_here_gives_one_judgement_for_each_exchange(judge: str) -> None:
    exchanges = [Exchange("How are you?", "Great, what a lovely day!", "Fine."), Exchange("", "", "")]
    built = parse_judge(BASE[judge]).build(CHEERFUL)
    built.check()
    assert built.cost(exchanges) is None
    assert built.name == parse_judge(BASE[judge]).label
    judged = dict(built.judge(exchanges))
    assert sorted(judged) == [0, 1]
    assert all(0 <= judgement.score <= MAX_SCORE and not judgement.failure for judgement in judged.values())
    assert judged[0].change > judged[1].change == 0
    assert list(built.judge([])) == []


@pytest.mark.parametrize("judge", BASE)
def test_settings_survive_being_written_down_and_read_again(judge: str) -> None:
    for content in (BASE[judge], BASE[judge] | OTHER[judge]):
        settings = parse_judge(content)
        assert parse_judge(settings.model_dump(mode="json")) == settings
        assert isinstance(settings, JudgeSettings)


def test_the_judge_that_the_documentation_writes_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(JUDGES, "_entries", dict(JUDGES._entries))
    example = DOCS.read_text(encoding="utf-8").split("## Your own")[1].split("```python\n")[1].split("```")[0]
    exec(compile(example, "docs", "exec", dont_inherit=True), {"__name__": "example"})
    judge = parse_judge({"brevity": 3}).build(CHEERFUL)
    judged = dict(judge.judge([Exchange("How are you?", "Fine.", "I am doing quite well.")]))
    assert (judged[0].score, judged[0].change) == (10, 10)


def test_the_documentation_has_the_summary_and_every_setting_of_every_judge() -> None:
    page = DOCS.read_text(encoding="utf-8")
    for name, summary in JUDGES.summaries().items():
        assert f"| `{name}` | {summary} |" in page
        for field in JUDGES.get(name).model_fields:
            assert f"`{field}`" in page, f"{field} of {name}"
    assert VERDICTS.name in page
