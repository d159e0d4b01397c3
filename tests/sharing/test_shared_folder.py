"""Shared folders: written whole, read back bit for bit, and refused with file and reason where they were changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from sharing.cards import header_of
from tiny import tiny, vector_for
from trimtab.cli.main import main
from trimtab.errors import SettingError, TrimtabError, VectorError
from trimtab.sharing import receive_vector, share_vector
from trimtab.vectors import SteeringVector
from trimtab.vectors.constant_pushes import constant_push

FILES = {"vectors.safetensors", "control_vector.gguf", "steering.json", "README.md"}


@pytest.fixture(scope="module")
def vector() -> SteeringVector:
    made = vector_for(tiny("llama"))
    return replace(made, residual_norm=torch.tensor([1.0, 2.0, 3.0, 4.0]))


def test_a_folder_is_read_back_bit_for_bit_by_whoever_has_only_safetensors(
    vector: SteeringVector, tmp_path: Path
) -> None:
    made = share_vector(vector, tmp_path / "v", layer=2, strength=0.25)
    assert {path.name for path in made.folder.iterdir()} == FILES
    (plain,) = load_file(made.folder / "vectors.safetensors").values()
    assert torch.equal(plain, vector.direction)
    for found in (SteeringVector.read(made.folder), receive_vector(made.folder).vector):
        assert torch.equal(found.direction, vector.direction)
        assert found.provenance.origin is not None
        assert found.provenance.origin.made_by == "trimtab-hub"
        assert found.provenance.fingerprint == vector.provenance.fingerprint
    control = SteeringVector.read(made.folder / "control_vector.gguf")
    torch.testing.assert_close(control.direction[2], constant_push(vector, 2, 0.25, "relative"))


def test_steering_json_says_how_to_steer(vector: SteeringVector, tmp_path: Path) -> None:
    made = share_vector(vector, tmp_path / "v", layer=[1, 2], strength=-0.25, positions="generated")
    told = json.loads((made.folder / "steering.json").read_text(encoding="utf-8"))
    lengths = told["setting"].pop("lengths")
    assert lengths == pytest.approx([0.5, 0.75])
    assert told["setting"] == {
        "layers": [1, 2], "strength": -0.25, "unit": "relative", "positions": "generated", "first_token": False,
        "operation": "add", "site": "resid_post",
    }  # fmt: skip
    assert told["effect"] is None
    assert told["model"]["fingerprint"] == vector.provenance.fingerprint
    assert (told["model"]["n_layers"], told["model"]["width"]) == tuple(vector.direction.shape)
    assert "counted from 0" in told["layer_map"]
    assert set(told["files"]) == {"vectors.safetensors", "control_vector.gguf"}


def test_a_card_without_a_run_says_that_nothing_was_measured_and_hides_where_the_model_lies(
    vector: SteeringVector, tmp_path: Path
) -> None:
    made_from = replace(vector.provenance, model="/home/somebody/models/mine", behavior="<script> & co")
    made = share_vector(replace(vector, provenance=made_from), tmp_path / "v", layer=2, strength=1.0, scale="raw")
    header, text = header_of(made.folder)
    assert "base_model" not in header
    assert any("--base-model" in note for note in made.notes)
    assert "was not measured" in text
    assert "<script>" not in text
    for path in made.folder.iterdir():
        assert b"/home/somebody" not in path.read_bytes()
    again = share_vector(vector, tmp_path / "w", layer=2, strength=1.0, scale="raw", base_model="owner/name")
    assert header_of(again.folder)[0]["base_model"] == "owner/name"


def test_what_cannot_be_in_a_control_vector_is_left_out_in_words(vector: SteeringVector, tmp_path: Path) -> None:
    first = share_vector(vector, tmp_path / "v", layer=0, strength=1.0, scale="raw")
    unknown = share_vector(replace(vector, residual_norm=None), tmp_path / "w", layer=1, strength=0.1)
    for made, why in ((first, "layer 0"), (unknown, "residual norms")):
        assert not (made.folder / "control_vector.gguf").exists()
        assert any(why in note for note in made.notes)
        assert why in (made.folder / "README.md").read_text(encoding="utf-8")
        assert receive_vector(made.folder).steering == made.steering
    assert unknown.steering.setting.lengths == (None,)


@pytest.mark.parametrize(
    "how",
    [{"layer": 9}, {"layer": []}, {"layer": [1, 1]}, {"strength": 0.0}, {"strength": float("nan")},
     {"scale": "rotate"}, {"positions": "some"}, {"base_model": "no hub id"}],
)  # fmt: skip
def test_what_a_folder_cannot_say_is_refused_and_nothing_is_left(
    how: dict[str, Any], vector: SteeringVector, tmp_path: Path
) -> None:
    with pytest.raises(SettingError):
        share_vector(vector, tmp_path / "v", **{"layer": 1, "strength": 0.5, **how})
    assert not list(tmp_path.iterdir())


def test_a_folder_that_holds_something_is_left_alone_and_a_failure_leaves_nothing(
    vector: SteeringVector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(VectorError, match="cannot write the folder"):
        share_vector(vector, tmp_path / "v", layer=1, strength=0.5)
    assert [path.name for path in tmp_path.rglob("*")] == ["v", "mine.txt"]

    def fail(*args: Any) -> str:
        raise VectorError("the last file fails")

    monkeypatch.setattr("trimtab.sharing.shared_vector.vector_card", fail)
    with pytest.raises(VectorError, match="the last file fails"):
        share_vector(vector, tmp_path / "w", layer=1, strength=0.5)
    assert [path.name for path in tmp_path.rglob("*")] == ["v", "mine.txt"]


def changed(**parts: Any) -> Callable[[Path], None]:
    """Changes `steering.json`: a dict merges into a part, anything else replaces it."""

    def change(folder: Path) -> None:
        path = folder / "steering.json"
        told = json.loads(path.read_text(encoding="utf-8"))
        for name, value in parts.items():
            told[name] = {**told[name], **value} if isinstance(value, dict) else value
        path.write_text(json.dumps(told), encoding="utf-8")

    return change


def text(content: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / "steering.json").write_text(content, encoding="utf-8")

    return change


def _other_tensor(folder: Path) -> None:
    save_file({"direction": torch.ones(4, 48)}, folder / "vectors.safetensors", metadata={"site": "resid_post"})


def _truncated(folder: Path) -> None:
    path = folder / "control_vector.gguf"
    path.write_bytes(path.read_bytes()[:-1])


def _pickle(folder: Path) -> None:
    torch.save({"direction": torch.ones(4, 48)}, folder / "vectors.safetensors")
    _agreeing(folder)


def _agreeing(folder: Path) -> None:
    """Make the hashes agree again with a file that is something else."""
    content = (folder / "vectors.safetensors").read_bytes()
    told = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    changed(files={"vectors.safetensors": told})(folder)


def _zeros(folder: Path) -> None:
    rows = torch.ones(4, 48)
    rows[2] = 0
    save_file({"direction": rows}, folder / "vectors.safetensors")
    _agreeing(folder)


def _two_tensors(folder: Path) -> None:
    save_file({"direction": torch.ones(4, 48), "b": torch.ones(1)}, folder / "vectors.safetensors")
    _agreeing(folder)


DAMAGE: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "another tensor": (_other_tensor, "vectors.safetensors", "bytes|SHA-256"),
    "a truncated file": (_truncated, "control_vector.gguf", "bytes"),
    "a pickle with its hash": (_pickle, "vectors.safetensors", "not a readable safetensors file"),
    "two tensors": (_two_tensors, "vectors.safetensors", "one tensor"),
    "no direction there": (_zeros, "vectors.safetensors", "no direction at layer 2"),
    "no JSON": (text("{"), "steering.json", "broken JSON"),
    "a list": (text("[]"), "steering.json", "its format"),
    "another format": (changed(format="x-9"), "steering.json", "'x-9'"),
    "a field more": (changed(run="rm -rf"), "steering.json", "run: "),
    "a file elsewhere": (
        changed(files={"../../secret": {"bytes": 1, "sha256": "0"}}), "steering.json", "../../secret",
    ),
    "a huge file": (
        changed(files={"vectors.safetensors": {"bytes": 10**12, "sha256": "0"}}), "steering.json", "no vector file"
    ),
    "a layer beyond": (changed(setting={"layers": [4]}), "steering.json", "layer 4 is none of the model's 4"),
    "no layers": (changed(setting={"layers": [], "lengths": []}), "steering.json", "one or more layers"),
    "no strength": (changed(setting={"strength": 0}), "steering.json", "no push"),
    "another operation": (changed(setting={"operation": "rotate"}), "steering.json", "setting.operation"),
    "another site": (changed(setting={"site": "mlp"}), "steering.json", "setting.site"),
    "positions": (changed(setting={"positions": "$(x)"}), "steering.json", r"positions '.*' is unknown"),
    "a shell command": (changed(model={"base_model": "a/b; rm -rf ~"}), "steering.json", "no owner/name"),
    "a long name": (changed(behavior="x" * 1001), "steering.json", "more than 1000 characters"),
    "many layers": (changed(model={"n_layers": 10**9}), "steering.json", "cannot be"),
    "another width": (changed(model={"width": 47}), "vectors.safetensors", "says \\[4, 47\\]"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_and_hostile_folders_are_refused_with_file_and_reason(
    name: str, vector: SteeringVector, tmp_path: Path
) -> None:
    made = share_vector(vector, tmp_path / "v", layer=2, strength=0.25)
    damage, file, reason = DAMAGE[name]
    damage(made.folder)
    with pytest.raises(TrimtabError, match=reason) as caught:
        receive_vector(made.folder)
    assert str(caught.value).startswith(str(made.folder / file))


def test_the_command_line_refuses_what_does_not_belong_together(
    vector: SteeringVector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    vector.save("v.safetensors")
    push = ["hub", "push", "v.safetensors", "-l", "1", "-s", "1"]
    assert main([*push, "-o", "shared"]) == 0
    for wrong in (
        ["hub", "push", "v.safetensors", "-o", "w"], push, [*push, "-o", "w", "--private"],
        [*push, "-o", "w", "-b", "x"],
        [*push, "-o", "w", "--to", "no-owner"], ["hub", "push", "shared"],
        ["hub", "push", "shared", "-o", "w", "--to", "a/b"], ["hub", "push", ".", "-o", "w", "-l", "1"],
        ["hub", "pull", "shared", "--revision", "x"],
    ):  # fmt: skip
        assert main(wrong) == 2, wrong
        assert not Path("w").exists()


def test_what_the_chat_must_be_told_is_printed(
    vector: SteeringVector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    share_vector(vector, "v", layer=2, strength=-0.5, positions="generated")
    assert main(["hub", "pull", "v", "-o", "it's.safetensors"]) == 0
    out = capsys.readouterr().out
    assert "what it does was not measured" in out
    how = "--layer 2 --strength=-0.5 --scale relative --positions generated"
    assert f"""next: trimtab chat --vectors 'it'"'"'s.safetensors' {how}""" in out
