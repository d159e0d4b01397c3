"""Settings are of the kind they should be, within bounds, and hold nothing that no file or report may hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from trimtab.errors import SettingError
from trimtab.inputs.strict_settings import Strict, parts_of
from trimtab.study import make_study, read_study

ONE: dict[str, Any] = {"behaviors": ["cheerful"]}


def refused(content: dict[str, Any]) -> str:
    with pytest.raises(SettingError) as caught:
        make_study({**ONE, **content})
    return str(caught.value)


def settings() -> Iterator[type[BaseModel]]:
    left: list[type[BaseModel]] = list(Strict.__subclasses__())
    while left:
        kind = left.pop()
        left += kind.__subclasses__()
        if kind.__module__.startswith("trimtab."):
            yield kind


def scalars() -> Iterator[tuple[type[BaseModel], str, set[Any]]]:
    for kind in settings():
        for name, field in kind.model_fields.items():
            yield kind, name, set(parts_of(field.annotation))


NUMBERS = [(kind, name) for kind, name, parts in scalars() if parts & {int, float} and bool not in parts]
SWITCHES = [(kind, name) for kind, name, parts in scalars() if bool in parts and not parts & {int, float, str}]


@pytest.mark.parametrize(("kind", "name"), NUMBERS)
def test_true_is_no_number(kind: type[BaseModel], name: str) -> None:
    with pytest.raises(ValueError, match=rf"{name}(.|\n)*is a number, not true"):
        kind.model_validate({name: True})


@pytest.mark.parametrize(("kind", "name"), SWITCHES)
@pytest.mark.parametrize("value", [1, 0, "yes", 1.0])
def test_a_number_or_a_word_is_not_true(kind: type[BaseModel], name: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"{name}(.|\n)*is true or false"):
        kind.model_validate({name: value})


def test_there_are_numbers_and_switches_to_test() -> None:
    assert len(NUMBERS) > 20
    assert len(SWITCHES) > 5


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"layers": "0:99999999999"}, "layers"),
        ({"layers": [True]}, "layers 'True' cannot be read"),
        ({"layers": "9" * 5000}, "layers"),
        ({"strengths": [True]}, "strengths: is a number, not true"),
        ({"strengths": [1.0] * 5000}, "strengths"),
        ({"strengths": {"a": 1}}, "strengths"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**40}, "seed"),
        ({"behaviors": [{"source": "x", "size": {"pairs": 10**9, "characters": 100}}]}, "size.pairs"),
        ({"behaviors": [{"source": "x", "size": {"pairs": 10**5, "characters": 10**5}}]}, "pairs × characters"),
        ({"models": [{"id": "m", "facts": {"layers": 10**12}}]}, "facts.layers"),
        ({"models": [{"id": "m", "facts": {"parameters": "9" * 400}}]}, "facts.parameters"),
        ({"models": [{"id": "m", "facts": {"parameters": "1e999T"}}]}, "facts.parameters"),
        ({"models": ["m\0"]}, "models.0: holds the control character \\x00"),
        ({"models": ["m\x1b[2J"]}, "models.0: holds the control character \\x1b"),
        ({"models": ["\ud83d"]}, "half of a character"),
        ({"models": ["x" * 5000]}, "models.0: has 5,000 characters"),
        ({"models": [{"id": "m", "engine": "vllm", "engine_options": {"a": float("inf")}}]}, "not a finite number"),
        ({"replies": {"judges": [{"pattern": "(" * 5000 + ")" * 5000}]}}, "pattern"),
        ({"replies": {"judges": [{"pattern": "(" * 400 + ")" * 400}]}}, "parentheses"),
        ({"replies": {"judges": [{"pattern": "a{99999999999}"}]}}, "repeats"),
        ({"replies": {"judges": [{"pattern": "(a"}]}}, "no regular expression"),
        ({"replies": {"judges": [{"classifier": True, "base_url": "http://h/v1"}]}}, "base_url"),
    ],
)
def test_what_no_study_can_hold_is_refused_where_it_is_read(content: dict[str, Any], words: str) -> None:
    assert words in refused(content)


def test_an_alias_chain_deeper_than_any_setting_is_refused(tmp_path: Path) -> None:
    chain = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 60))
    (tmp_path / "s.yaml").write_text(chain, encoding="utf-8")
    with pytest.raises(SettingError, match="nested more than"):
        read_study(tmp_path / "s.yaml")


def test_a_study_survives_being_written_down_and_read_again() -> None:
    judges = ["classifier", {"model": "openai/x", "price": [1, 2]}]
    study = make_study({**ONE, "replies": {"judges": judges}, "dose": True})
    assert make_study(json.loads(study.model_dump_json())) == study


def test_a_list_is_not_called_too_short_for_what_is_wrong_in_it() -> None:
    with pytest.raises(SettingError) as refused:
        make_study({"models": ["m"], "behaviors": [{"source": "cheerful", "limit": 4}]})
    assert str(refused.value) == "settings: behaviors.0.limit: Input should be greater than or equal to 16"
    with pytest.raises(SettingError, match="at least 1 item"):
        make_study({"models": ["m"], "behaviors": []})
