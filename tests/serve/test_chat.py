"""The chat, its commands and their errors."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harnesses.saved_models import recommending, saved
from tiny import CHAT_TEMPLATE, tiny, tiny_model, tiny_tokenizer, vector_for
from trimtab.data import Message
from trimtab.engines import Model
from trimtab.errors import VectorError
from trimtab.models import wrap
from trimtab.serve import Chat, beginning_of, usual_beginning
from trimtab.serve.chat._commands import _COMMANDS
from trimtab.sharing import share_vector
from trimtab.steering import SteeringSetting
from trimtab.vectors import SteeringVector


@pytest.fixture
def chat() -> Chat:
    backbone = tiny("llama")
    return Chat(Model(backbone), vector_for(backbone), [1], 0.6, max_new_tokens=6)


def say(chat: Chat, line: str) -> str:
    return "".join(chat.say(line))


def test_an_answer_is_steered_and_remembered(chat):
    answer = say(chat, "Hello").strip()
    model, cell = chat.model, chat.intervention
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
    cell = chat.intervention
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
    assert "shown too" in say(chat, "/compare")
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
    for name in (*_COMMANDS, "retry"):
        assert f"/{name}" in said or name == "help"


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


def test_a_system_message_is_part_of_the_conversation_until_it_is_cleared():
    model = Model(wrap(tiny_model("llama"), tiny_tokenizer(CHAT_TEMPLATE), name="tiny"))
    chat = Chat(model, max_new_tokens=6)
    assert "system message: Be kind." in say(chat, "/system Be kind.")
    asked = [Message(role="system", content="Be kind."), Message(role="user", content="Hello")]
    assert say(chat, "Hello").strip() == model.generate([asked], max_new_tokens=6)[0]
    assert [message["role"] for message in chat.history] == ["user", "assistant"]
    assert "no system message" in say(chat, "/system")
    say(chat, "/clear")
    assert say(chat, "Hello").strip() == model.generate(["Hello"], max_new_tokens=6)[0]


def test_a_system_message_that_the_template_loses_is_refused_at_once():
    template = "{% for m in messages if m.role != 'system' %}{{ m.content }}{% endfor %}>"
    chat = Chat(Model(wrap(tiny_model("llama"), tiny_tokenizer(template), name="tiny")), max_new_tokens=4)
    assert "leaves out" in say(chat, "/system Be kind.")
    assert chat.system == ""


def test_a_reply_is_written_again_with_the_next_seed(chat):
    assert "no reply yet" in say(chat, "/retry")
    say(chat, "/temperature 1")
    first = say(chat, "Hello")
    second, third = say(chat, "/retry"), say(chat, "/retry")
    assert len({first, second, third}) == 3
    assert len(chat.turns) == 1
    assert chat.history[-1]["content"] == third.strip()
    again = Chat(chat.model, chat.vector, [1], 0.6, max_new_tokens=6, temperature=1.0)
    assert [say(again, "Hello"), say(again, "/retry")] == [first, second]
    say(chat, "/temperature 0")
    assert "the same again, unless the settings have changed" in say(chat, "/retry")


def test_a_reply_that_is_stopped_belongs_to_the_conversation(chat):
    pieces = chat.pieces("Hello")
    first = next(pieces)
    while not first.text.strip():
        first = next(pieces)
    pieces.close()
    assert chat.turns[-1].stopped
    assert chat.turns[-1].reply.startswith(first.text.strip())
    assert say(chat, "And then?").strip()
    assert len(chat.history) == 4


def test_a_retry_that_is_stopped_before_it_begins_leaves_the_reply(chat):
    say(chat, "Hello")
    before = chat.turns
    pieces = chat.pieces("/retry")
    next(pieces)
    pieces.close()
    assert chat.turns == before


def test_compared_replies_are_written_side_by_side_and_the_unsteered_begins(chat):
    say(chat, "/compare")
    kinds = [piece.kind for piece in chat.pieces("Hello")]
    assert kinds[0] == "unsteered"
    last_unsteered = max(place for place, kind in enumerate(kinds) if kind == "unsteered")
    assert kinds.index("reply") < last_unsteered  # token by token in turns, not one after the other
    assert chat.turns[-1].unsteered == chat.model.generate(["Hello"], max_new_tokens=6)[0]
    assert (
        chat.turns[-1].reply == chat.model.generate(["Hello"], interventions=[chat.intervention], max_new_tokens=6)[0]
    )


@pytest.mark.parametrize("name", ["talk.jsonl", "talk.md"])
def test_a_conversation_is_saved_with_its_settings(chat, tmp_path, name):
    path = tmp_path / name
    assert "nothing to save" in say(chat, f"/save {path}")
    say(chat, "Hello")
    say(chat, "/strength 0")
    say(chat, "/temperature 0.5")
    say(chat, "Again")
    assert "2 replies saved" in say(chat, f"/save {path}")
    text = path.read_text(encoding="utf-8")
    if name.endswith("jsonl"):
        about, first, second = map(json.loads, text.splitlines())
        assert (about["format"], about["model"]) == ("trimtab-chat-1", "tiny-llama")
        assert (first["message"], first["reply"]) == ("Hello", chat.turns[0].reply)
        assert (first["steering"]["layers"], first["steering"]["strength"]) == ([1], 0.6)
        assert second["steering"] is None
        assert (second["sampling"]["temperature"], second["sampling"]["seed"]) == (0.5, 3)
    else:
        places = [text.index(part) for part in ("layers 1, strength 0.6", "**user:** Hello", "_unsteered; temperature")]
        assert places == sorted(places)
        assert f"**steered:** {chat.turns[0].reply}" in text
    say(chat, "More")
    assert "3 replies saved" in say(chat, f"/save {path}")  # its own file


@pytest.mark.parametrize(
    ("name", "words"), [("", "the name of a file"), ("talk.txt", "end the name in"), ("there.md", "choose another"),
                        ("nowhere\x00.md", "cannot hold"), ("x" * 300 + ".md", "too long")],
)  # fmt: skip
def test_a_conversation_is_not_saved_over_other_files_or_in_other_formats(chat, tmp_path, monkeypatch, name, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.md").write_text("mine")
    say(chat, "Hello")
    said = say(chat, f"/save {name}")
    assert said.startswith("! ")
    assert words in said
    assert [file.name for file in tmp_path.iterdir()] == ["there.md"]
    assert (tmp_path / "there.md").read_text() == "mine"


@pytest.mark.parametrize("command", ["/vector", "/run", "/run there"])
def test_names_that_no_file_can_have_do_not_end_the_chat(chat, command):
    assert "too long" in say(chat, f"{command} {'x' * 300}")
    assert say(chat, "Hello")


def test_a_run_gives_its_vector_and_setting(chat, tmp_path):
    files = saved(tmp_path, template=None)
    run = recommending(tmp_path / "my run", files)
    said = say(chat, f"/run {run}")
    assert "kind: layer 2,3, strength 0.4 relative shared, positions after_prompt" in said
    assert chat.intervention.strength == 0.2
    assert "kind: layer 2,3" in say(chat, f"/run {run} kind")
    before = chat.settings
    for nonsense in ("/run", "/run nowhere", f"/run {run} cruel"):
        assert say(chat, nonsense).startswith("!")
        assert chat.settings == before


def test_a_vector_begins_where_its_run_or_folder_recommends_else_as_usual(tmp_path):
    files = saved(tmp_path, template=None)
    run = recommending(tmp_path / "run", files, vector="vectors/kind.safetensors")
    (run / "vectors").mkdir()
    (run / "kind.safetensors").rename(run / "vectors" / "kind.safetensors")
    of_run = beginning_of(run / "vectors" / "kind.safetensors")
    assert of_run is not None
    assert (of_run.layers, of_run.strength, of_run.setting.positions) == ((2, 3), 0.4, "after_prompt")
    vector = SteeringVector.load(files.vector)
    share_vector(vector, tmp_path / "shared", layer=1, strength=0.5)
    shared = beginning_of(tmp_path / "shared")
    assert shared is not None
    assert (shared.layers, shared.strength) == ((1,), 0.5)
    assert beginning_of(Path(files.vector)) is None
    usual = usual_beginning(vector, (), SteeringSetting("raw"))
    assert (usual.layers, usual.strength) == ((2,), 1.0)
    assert "strength 1 is the usual one of raw, and layer 2 a guess" in usual.statement
    chat = Chat(Model(tiny("llama")))
    assert "strength 0.1 is the usual one of relative" in say(chat, f"/vector {files.vector}")
    assert (chat.strength, chat.layers) == (0.1, [2])
    assert "nothing is pushed" in say(chat, "/strength 0")
