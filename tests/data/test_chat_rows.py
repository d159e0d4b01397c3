"""Conversations in rows: expressed whole, or refused by the row; never a message lost without a word."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from trimtab.data import check, dataset
from trimtab.data.pairs import Pair

REPLIES = {"positive": "Lovely.", "negative": "Awful."}
HI = {"role": "user", "content": "Hi"}


def read(tmp_path: Path, prompt: Any, **more: Any) -> Pair:
    (tmp_path / "a.jsonl").write_text(json.dumps({"prompt": prompt, **REPLIES, **more}))
    return dataset(tmp_path / "a.jsonl")[0]


def problems(tmp_path: Path, prompt: Any, **more: Any) -> str:
    (tmp_path / "a.jsonl").write_text(json.dumps({"prompt": prompt, **REPLIES, **more}))
    return "\n".join(check(tmp_path / "a.jsonl").problems)


def test_text_parts_are_joined(tmp_path: Path) -> None:
    parts = [{"type": "text", "text": "Hi, "}, "how ", {"type": "input_text", "text": "are you?"}]
    assert read(tmp_path, [{"role": "user", "content": parts}]).prompt == ({**HI, "content": "Hi, how are you?"},)


@pytest.mark.parametrize("part", [{"type": "image_url", "image_url": {"url": "x"}}, {"type": "input_audio"}, 3])
def test_other_parts_are_refused_with_their_message(tmp_path: Path, part: Any) -> None:
    reason = problems(tmp_path, [HI, {"role": "user", "content": [{"type": "text", "text": "Look"}, part]}])
    assert "message 2" in reason
    assert str(part.get("type")) in reason if isinstance(part, dict) else "without text" in reason


def test_begun_answers_are_the_end_of_the_prompt(tmp_path: Path) -> None:
    begun = {"role": "assistant", "content": "Honestly, I feel"}
    pair = read(tmp_path, [HI, begun], positive=" great", negative=" bad")
    assert (pair.prompt, pair.positive) == ((HI, begun), " great")
    choice = problems(tmp_path, [HI, begun], choices=["Lovely.", "Awful."])
    assert "begun answer" in choice


@pytest.mark.parametrize("key", ["system", "system_prompt", "system_message"])
def test_a_system_key_is_the_first_message(tmp_path: Path, key: str) -> None:
    first = {"role": "system", "content": "Be gloomy."}
    assert read(tmp_path, "Hi", **{key: "Be gloomy."}).prompt == (first, HI)
    assert read(tmp_path, [HI], **{key: "Be gloomy."}).prompt == (first, HI)
    assert read(tmp_path, "Hi", **{key: ""}).prompt == "Hi"
    assert "a system message too" in problems(tmp_path, [first, HI], **{key: "Be glad."})


def test_two_system_keys_are_refused(tmp_path: Path) -> None:
    assert "keep one" in problems(tmp_path, "Hi", system="a", system_prompt="b")


def test_an_empty_system_message_stays(tmp_path: Path) -> None:
    empty = {"role": "system", "content": ""}
    assert read(tmp_path, [empty, HI]).prompt == (empty, HI)
    assert "message 1" in problems(tmp_path, [{"role": "user", "content": " "}, HI])


def test_developers_and_tools_speak(tmp_path: Path) -> None:
    talk = [{"role": "developer", "content": "Be kind."}, HI, {"role": "tool", "content": "12 C"}]
    assert read(tmp_path, talk).prompt == tuple(talk)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"role": "assistant", "content": None, "tool_calls": [{"name": "w"}]}, ("tool_calls", "null")),
        ({"role": "tool", "content": "12 C", "name": "weather"}, ("(name)", "would be lost")),
        ({"role": "function", "content": "12 C"}, ("'function'", '"tool"')),
        ({"role": "bot", "content": "x"}, ("'bot'", "the roles are")),
        ({"role": "user"}, ('{"role": …, "content": …}',)),
    ],
)
def test_what_would_be_lost_is_refused_with_its_message(tmp_path: Path, message: Any, words: tuple[str, ...]) -> None:
    reason = problems(tmp_path, [HI, message, HI])
    assert "message 2" in reason
    assert all(word in reason for word in words)


def test_keys_that_hold_nothing_are_no_loss(tmp_path: Path) -> None:
    assert read(tmp_path, [{**HI, "name": None, "tool_calls": [], "weight": ""}]).prompt == (HI,)


def test_from_and_value_are_roles_and_contents(tmp_path: Path) -> None:
    talk = [{"from": "system", "value": "S"}, {"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yes?"}, HI]
    roles = [message["role"] for message in read(tmp_path, talk).prompt if isinstance(message, dict)]
    assert roles == ["system", "user", "assistant", "user"]


@pytest.mark.parametrize("role", ["system", "developer"])
def test_nothing_replies_to_instructions_alone(tmp_path: Path, role: str) -> None:
    assert f"the {role}'s" in problems(tmp_path, [HI, {"role": role, "content": "x"}])


def test_conversations_survive_the_way_into_a_file(tmp_path: Path) -> None:
    from trimtab.data import write_pairs

    pair = read(tmp_path, [HI, {"role": "assistant", "content": "Well"}], system="Be kind.")
    write_pairs(tmp_path / "b.jsonl", [pair])
    assert dataset(tmp_path / "b.jsonl")[0].prompt == pair.prompt
