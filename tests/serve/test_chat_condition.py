"""A condition on the prompt: decided once for each reply, on the whole prompt, and reported where it does not hold."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from conditional import monitor_of
from harnesses.saved_models import saved
from tiny import tiny, vector_for
from trimtab.cli.main import cli
from trimtab.data import Message
from trimtab.engines import Model
from trimtab.errors import SettingError, VectorError
from trimtab.models import Backbone
from trimtab.monitors import Monitor, PromptCondition
from trimtab.serve import Chat, beginning_of, of_run
from trimtab.steering import steering
from trimtab.study.recommending.recommended_file import LAYOUT, RecommendedFile, write_recommended
from trimtab.study.setting_to_use import setting_to_use


def prompt_projection(model: Model, text: str, weight: torch.Tensor, layer: int = 2) -> float:
    """The mean of the prompt's states behind a layer, the first token left out, along a weight; by the plain model."""
    tokens, backbone = model.tokens([Message(role="user", content=text)]), model.backbone
    assert isinstance(backbone, Backbone)
    states = []
    handle = backbone.anatomy.layers[layer].register_forward_hook(
        lambda module, args, output: states.append(output if torch.is_tensor(output) else output[0])
    )
    try:
        with torch.no_grad():
            backbone.model(torch.tensor([list(tokens)]), use_cache=False)
    finally:
        handle.remove()
    return float(states[0][0, 1:].mean(0) @ weight)


ASKED = ("Hello", "Say something else entirely, please")


@pytest.fixture
def chat() -> Chat:
    backbone = tiny("llama")
    return Chat(Model(backbone), vector_for(backbone), [1], 0.6, max_new_tokens=6)


@pytest.fixture
def parted(chat: Chat, tmp_path: Path) -> tuple[Path, str, str]:
    """A monitor's file, the message that it scores above one half, and the one below."""
    weight = torch.randn(chat.model.facts.width, generator=torch.Generator().manual_seed(5))
    one, other = (prompt_projection(chat.model, text, weight) for text in ASKED)
    middle = (one + other) / 2
    file = monitor_of(chat.model.backbone, weight, -middle).save(tmp_path / "polite.safetensors")
    return (file, *ASKED) if one > other else (file, *reversed(ASKED))  # type: ignore[return-value]


def test_only_replies_to_prompts_that_meet_it_are_pushed(chat: Chat, parted: tuple[Path, str, str]) -> None:
    file, meets, misses = parted
    assert "only where the prompt scores above 0.5 for polite (its mean state, layer 2)" in "".join(
        chat.say(f"/when {file}")
    )
    plain, pushed = (
        {text: chat.model.generate([text], interventions=[cell], max_new_tokens=6)[0] for text in ASKED}
        for cell in (None, chat.intervention)
    )
    assert plain != pushed
    assert "".join(chat.say(meets)).strip() == pushed[meets]
    chat.turns = []
    said = "".join(chat.say(misses))
    assert said.startswith("nothing is pushed: ")
    assert said.partition("\n")[2].strip() == plain[misses]
    assert chat.turns[0].steering is None


def test_it_is_the_gate_of_the_python_interface(chat: Chat, parted: tuple[Path, str, str]) -> None:
    file, meets, misses = parted
    condition = PromptCondition.of_file(file, 0.5)
    gate = Monitor.load(file).prompt_gate(0.5)
    for text in (meets, misses):
        asked = [Message(role="user", content=text)]
        assert condition.holds(chat.model, asked) == chat.model.opened(gate, [asked])[0] == (text == meets)
        assert chat.vector is not None
        cell = steering(chat.vector, 1, 0.6, gate=gate, scale="relative")
        chat.turns, chat.condition = [], condition
        written = "".join(chat.say(text)).splitlines()[-1].strip()
        assert written == chat.model.generate([text], interventions=[cell], max_new_tokens=6)[0].strip()


def test_it_is_read_from_the_whole_conversation_and_saved_with_it(
    chat: Chat, parted: tuple[Path, str, str], tmp_path: Path
) -> None:
    file, meets, _ = parted
    "".join(chat.say(f"/when {file} 0.4 last"))
    chat.condition = replace(chat.condition, gate=Monitor.load(file).prompt_gate(1e-9))  # type: ignore[type-var]
    "".join(chat.say(meets))
    "".join(chat.say(f"/save {tmp_path / 'talk.jsonl'}"))
    lines = [json.loads(line) for line in (tmp_path / "talk.jsonl").read_text().splitlines()]
    (when,) = [value for line in lines for value in _found(line, "when")]
    assert when == {"monitor": str(file), "layer": 2, "threshold": 0.4, "read": "last"}
    assert "only where" not in "".join(chat.say("/when off"))
    assert chat.condition is None


def _found(value, key):
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == key:
                yield inner
            else:
                yield from _found(inner, key)


def test_what_cannot_be_a_condition_is_explained_and_changes_nothing(
    chat: Chat, parted: tuple[Path, str, str], tmp_path: Path
) -> None:
    file = parted[0]
    for line, words in (("/when", "file of a monitor"), (f"/when {file} 1", "not a probability"),
                        (f"/when {tmp_path / 'none.safetensors'}", "none.safetensors")):  # fmt: skip
        said = "".join(chat.say(line))
        assert said.startswith("! ")
        assert words in said
        assert chat.condition is None
    narrow = monitor_of(chat.model.backbone, torch.ones(3), 0.0).save(tmp_path / "narrow.safetensors")
    with pytest.raises(VectorError):
        PromptCondition.of_file(narrow).require_fit(chat.model)
    with pytest.raises(SettingError):
        PromptCondition.of_file(file, 1.5)


def recommending(run: Path, chat: Chat, when: dict[str, str] | None) -> tuple[Path, Path]:
    """A run that recommends the chat's vector under a condition, or always, and the file of the vector."""
    (run / "vectors").mkdir(parents=True)
    assert chat.vector is not None
    vector = chat.vector.save(run / "vectors" / "kind.safetensors")
    setting = {
        "behavior": "kind", "model": "tiny", "load": {"id": "tiny"}, "vector": "vectors/kind.safetensors",
        "layers": [1], "strength": 0.6, "scale": "relative", "positions": "all", "first_token": False,
        "share_strength": False, "vector_layer": None, **({} if when is None else {"when": when}),
    }  # fmt: skip
    write_recommended(RecommendedFile.model_validate({"format": LAYOUT, "tables": "", "settings": [setting]}), run)
    return run, vector


def test_a_recommended_setting_brings_its_condition(chat: Chat, parted: tuple[Path, str, str], tmp_path: Path) -> None:
    file, meets, misses = parted
    run, vector = recommending(tmp_path / "run", chat, {"monitor": f"../{file.name}"})
    use, found = setting_to_use(run), beginning_of(vector)
    assert found is not None
    for beginning in (of_run(use), found):
        chat.condition = None
        assert "only where the prompt scores above 0.5 for polite" in chat.begin(beginning)
        for text in (meets, misses):
            chat.turns = []
            assert ("nothing is pushed" in "".join(chat.say(text))) == (text == misses)
    assert use.check_options["when"] == {"monitor": str(run / f"../{file.name}"), "above": 0.5, "reads": "mean"}
    assert "gate" not in use.check_options
    for pushed in ({"share_strength": True}, {"vector_layer": 1}):
        (name,) = pushed
        other = replace(use, steering=replace(use.steering, **pushed))
        assert name in other.options
        with pytest.raises(SettingError, match=f"{name}.* side-effects RUN"):
            _ = other.check_options
    with pytest.raises(SettingError, match="would push everywhere"):
        use.require_always("baked weights")


def test_a_setting_that_is_recommended_always_ends_the_condition_of_an_earlier_one(
    chat: Chat, parted: tuple[Path, str, str], tmp_path: Path
) -> None:
    file, _, misses = parted
    conditional, _ = recommending(tmp_path / "conditional", chat, {"monitor": f"../{file.name}"})
    always, vector = recommending(tmp_path / "always", chat, None)
    found = beginning_of(vector)
    assert found is not None
    for take in (lambda: "".join(chat.say(f"/run {always}")), lambda: chat.begin(found)):
        assert "only where" in "".join(chat.say(f"/run {conditional}"))
        assert "only where" not in take()
        assert "nothing is pushed" not in "".join(chat.say(misses))


def test_a_file_that_nothing_recommends_anything_for_leaves_the_condition(
    chat: Chat, parted: tuple[Path, str, str], tmp_path: Path
) -> None:
    assert chat.vector is not None
    vector = chat.vector.save(tmp_path / "kind.safetensors")
    fresh = Chat(chat.model)
    "".join(fresh.say(f"/when {parted[0]}"))
    assert "only where the prompt scores above 0.5 for polite" in "".join(fresh.say(f"/vector {vector}"))


@pytest.mark.parametrize(
    "typed",
    [["--strength", "2"], ["--layer", "2"], ["--positions", "generated"], ["--first-token"], ["--scale", "raw"]],
)
def test_the_command_keeps_the_recommended_condition_whatever_is_changed_beside_it(
    chat: Chat, parted: tuple[Path, str, str], tmp_path: Path, typed: list[str]
) -> None:
    _, vector = recommending(tmp_path / "run", chat, {"monitor": f"../{parted[0].name}"})
    model = saved(tmp_path).model
    talk = CliRunner().invoke(cli, ["chat", "--model", model, "--vectors", str(vector), *typed], input="/show\n/quit\n")
    assert talk.exit_code == 0, talk.output
    assert "only where the prompt scores above 0.5 for polite" in talk.stdout
