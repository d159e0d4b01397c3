"""The chat, its commands and their errors."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tiny import tiny, vector_for
from trimtab.engines import Model
from trimtab.errors import VectorError
from trimtab.serve import Chat
from trimtab.vectors import SteeringVector


@pytest.fixture
def chat() -> Chat:
    backbone = tiny("llama")
    return Chat(Model(backbone), vector_for(backbone), [1], 0.6, max_new_tokens=6)


def say(chat: Chat, line: str) -> str:
    return "".join(chat.say(line))


def test_an_answer_is_steered_and_remembered(chat):
    answer = say(chat, "Hello").strip()
    model, cell = chat.model, chat._intervention()
    assert answer == model.generate(["Hello"], interventions=[cell], max_new_tokens=6)[0]
    assert [(m["role"], m["content"]) for m in chat.history] == [("user", "Hello"), ("assistant", answer)]


def test_settings_change_what_is_said_next(chat):
    first = say(chat, "Hello")
    say(chat, "/clear")
    assert "layer 2, strength -0.9 relative" in say(chat, "/layer 2") + say(chat, "/strength -0.9")
    assert say(chat, "Hello") != first


def test_layers_may_share_the_strength_and_one_vector(chat):
    say(chat, "/layer 1,2")
    assert "relative shared, vector of layer 3" in say(chat, "/share") + say(chat, "/from 3")
    cell = chat._intervention()
    assert cell.strength == 0.3
    assert cell.directions[1] is cell.directions[2] or (cell.directions[1] == chat.vector.direction[3]).all()
    answer = say(chat, "/scale clamp")
    assert "cannot share" in answer
    assert "/share" in answer
    assert "vector of layer" not in say(chat, "/from own")
    for nonsense in ("/from nan", "/from 99", "/from -1", "/from"):
        assert say(chat, nonsense).startswith("!")


def test_strength_zero_is_the_model_as_it_is(chat):
    say(chat, "/strength 0")
    assert say(chat, "Hello").strip() == chat.model.generate(["Hello"], max_new_tokens=6)[0]


def test_compare_shows_both_and_remembers_the_steered_one(chat):
    assert "shown first" in say(chat, "/compare")
    said = say(chat, "Hello")
    plain, steered = said.removeprefix("unsteered: ").split("\n  steered: ")
    assert plain.strip() == chat.model.generate(["Hello"], max_new_tokens=6)[0]
    assert chat.history[-1]["content"] == steered.strip()
    assert "not shown" in say(chat, "/compare")


def test_another_vector_is_taken_from_a_file(chat, tmp_path):
    vector_for(tiny("llama")).save(tmp_path / "v.safetensors")
    assert "kind: layer 1" in say(chat, f"/vector {tmp_path / 'v.safetensors'}")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("/layer 99", "layer 99 is out of range"),
        ("/layer x", "no layer"),
        ("/strength", "no strength"),
        ("/strength nan", "not a number to steer with"),
        ("/scale half", "unknown scale 'half'; choose from raw, relative, rotate"),
        ("/positions up", "positions 'up' is unknown"),
        ("/vector nowhere.safetensors", "no such vector file"),
        ("/tokens 0", "cannot be written"),
        ("/tokens nan", "cannot be written"),
        ("/temperature -1", "not between 0 and 10"),
        ("/strenght 1", "did you mean /strength?"),
        ("/", "/help lists them"),
        ("/zzz", "/help lists them"),
    ],
)
def test_nonsense_is_explained_and_changes_nothing(chat, line, words):
    before = chat.settings, chat.max_new_tokens, chat.temperature
    said = say(chat, line)
    assert said.startswith("! ")
    assert words in said
    assert (chat.settings, chat.max_new_tokens, chat.temperature) == before


def test_help_names_every_command(chat):
    said = say(chat, "/help")
    for name in ("layer", "strength", "scale", "positions", "vector", "compare", "tokens", "temperature", "clear"):
        assert f"/{name}" in said


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=30).map("/{}".format) | st.sampled_from(["/layer ", "/strength ", "/vector "]).flatmap(
    lambda name: st.text(max_size=12).map(name.__add__)))  # fmt: skip
def test_no_command_line_breaks_it(chat, line):
    assert isinstance(say(chat, line), str)


def test_without_a_vector_it_is_a_plain_chat():
    chat = Chat(Model(tiny("llama")), max_new_tokens=4)
    assert say(chat, "Hello").strip() == chat.model.generate(["Hello"], max_new_tokens=4)[0]
    assert "no vector" in say(chat, "/show")
    assert "no vector" in say(chat, "/layer 3")


def test_a_vector_for_another_model_is_refused_at_once():
    with pytest.raises(VectorError, match="layers × width"):
        Chat(Model(tiny("llama")), vector_for(tiny("llama"), layers=3))


def test_the_command_reads_lines_until_the_input_ends():
    done = subprocess.run(
        [sys.executable, "-m", "trimtab", "chat"],
        input=b"/tokens 5\nSay hello.\n\xff\xfe\n/nonsense\n", capture_output=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    out = done.stdout.decode(errors="replace")
    assert "replies end after 5 tokens" in out
    assert "no command /nonsense" in out
    assert b"no vector" in done.stderr


def test_a_vector_that_lacks_layers_is_steered_with_where_it_has_a_direction(tmp_path):
    model = Model(tiny("llama"))
    partial = SteeringVector.from_directions({0: [1.0] * 48, 1: [2.0] * 48}, name="partial")
    chat = Chat(model, partial, strength=0.6)
    assert chat.layers == [1]
    for command in ("/layer 3", "/from 2"):
        answer = say(chat, command)
        assert answer.startswith("!")
        assert "it has one at layers 0 to 1" in answer
    assert "vector of layer 0" in say(chat, "/from 0")
    assert "layer 3" in say(chat, "/layer 3")
    path = SteeringVector.from_directions({2: [1.0] * 48}, name="other").save(tmp_path / "other.safetensors")
    say(chat, "/from own")
    answer = say(chat, f"/vector {path}")
    assert "other: layer 2" in answer
    assert "no direction at the layers before" in answer
