"""The hub: the real huggingface_hub against a server on this machine. Nothing goes out that was not asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sharing.fake_hub import COMMIT, FakeHub, fake_hub
from tiny import tiny, vector_for
from trimtab.cli.main import main
from trimtab.errors import SettingError, VectorError
from trimtab.sharing import receive_vector, share_vector
from trimtab.sharing.hub_repository import upload
from trimtab.vectors import SteeringVector

TOKEN = "hf_abcdefghijklmnopqrstuvwxyz0123"
REPOSITORY = "owner/cheerful"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    from huggingface_hub import constants

    with fake_hub() as served:
        template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, served.address)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "ENDPOINT", served.address)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield served


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    vector = replace(vector_for(tiny("llama")), residual_norm=torch.tensor([1.0, 2.0, 3.0, 4.0]))
    made = share_vector(vector, tmp_path / "shared", layer=2, strength=0.25, base_model="owner/model")
    (made.folder / "notes.txt").write_text("mine alone", encoding="utf-8")
    return made.folder


def test_what_is_uploaded_is_fetched_again_bit_for_bit(hub: FakeHub, folder: Path) -> None:
    assert upload(folder, REPOSITORY).endswith(f"{REPOSITORY}/commit/{COMMIT}")
    there = hub.files[f"{REPOSITORY}@main"]
    assert set(there) == {"vectors.safetensors", "control_vector.gguf", "steering.json", "README.md"}
    assert all(content == (folder / name).read_bytes() for name, content in there.items())
    assert hub.private == {REPOSITORY: False}
    assert hub.tokens == {f"Bearer {TOKEN}"}
    found = receive_vector(REPOSITORY)
    assert torch.equal(found.vector.direction, SteeringVector.read(folder).direction)
    assert found.vector.provenance.origin is not None
    assert found.vector.provenance.origin.file == f"{REPOSITORY}@{COMMIT}"
    assert found.command("v.safetensors") == (
        "trimtab chat --model owner/model --vectors v.safetensors --layer 2 --strength=0.25 --scale relative"
    )


def test_a_branch_is_made_and_the_main_one_left_alone(hub: FakeHub, folder: Path) -> None:
    upload(folder, REPOSITORY, private=True, revision="try")
    assert hub.private == {REPOSITORY: True}
    assert len(hub.files[f"{REPOSITORY}@try"]) == 4
    assert not hub.files[f"{REPOSITORY}@main"]


def test_a_control_vector_of_before_is_deleted(hub: FakeHub, folder: Path, tmp_path: Path) -> None:
    upload(folder, REPOSITORY)
    first = share_vector(SteeringVector.read(folder), tmp_path / "first", layer=0, strength=1.0, scale="raw")
    upload(first.folder, REPOSITORY)
    assert set(hub.files[f"{REPOSITORY}@main"]) == {"vectors.safetensors", "steering.json", "README.md"}


def test_a_public_repository_is_no_place_for_what_is_private(hub: FakeHub, folder: Path) -> None:
    hub.private[REPOSITORY], hub.files[f"{REPOSITORY}@main"] = False, {}
    with pytest.raises(VectorError, match="public, so nothing was uploaded"):
        upload(folder, REPOSITORY, private=True)
    assert not hub.files[f"{REPOSITORY}@main"]


def test_damaged_folders_and_wrong_names_go_nowhere(hub: FakeHub, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="write owner/name"):
        upload(folder, "cheerful")
    secret = tmp_path / "secret"
    secret.write_text("secret", encoding="utf-8")
    (folder / "README.md").unlink()
    with pytest.raises(VectorError, match=r"README\.md: is missing"):
        upload(folder, REPOSITORY)
    (folder / "README.md").symlink_to(secret)
    with pytest.raises(VectorError, match=r"README\.md: is a link"):
        upload(folder, REPOSITORY)
    assert not hub.asked


@pytest.mark.parametrize("status", [401, 403, 500])
def test_what_the_hub_refuses_is_said_without_the_token(status: int, hub: FakeHub, folder: Path) -> None:
    hub.status = status
    with pytest.raises(VectorError, match=REPOSITORY) as caught:
        upload(folder, REPOSITORY)
    assert TOKEN not in str(caught.value)
    assert ("hf auth login" in str(caught.value)) == (status < 500)


def test_what_is_not_there_or_no_vector_is_refused_before_it_is_downloaded(hub: FakeHub, folder: Path) -> None:
    with pytest.raises(VectorError, match="is not on the hub, or private"):
        receive_vector(REPOSITORY)
    upload(folder, REPOSITORY)
    with pytest.raises(VectorError, match="no such revision"):
        receive_vector(REPOSITORY, revision="other")
    there = hub.files[f"{REPOSITORY}@main"]
    there["steering.json"] = b" " * (2**20 + 1)
    with pytest.raises(VectorError, match=r"steering\.json has 1048577 bytes"):
        receive_vector(REPOSITORY)
    del there["steering.json"]
    with pytest.raises(VectorError, match=r"holds no steering\.json"):
        receive_vector(REPOSITORY)
    assert not [one for one in hub.asked if "/resolve/" in one]
    with pytest.raises(SettingError, match="write owner/name"):
        receive_vector("no-such-folder")


def test_an_address_where_nobody_listens_and_a_hub_that_is_switched_off_are_told(
    hub: FakeHub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(VectorError, match=f"{REPOSITORY}: cannot fetch"):
        receive_vector(REPOSITORY)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(VectorError, match="HF_HUB_OFFLINE"):
        upload(folder, REPOSITORY)


def test_the_command_line_lists_what_it_uploads_and_asks(
    hub: FakeHub, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder.parent)
    push = ["hub", "push", "shared", "--to", REPOSITORY]
    assert main(push) == 2
    assert "nobody is here to agree" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.confirm", lambda *args, **options: False)
    assert main(push) == 0
    assert "Not uploaded" in capsys.readouterr().err
    assert not hub.asked
    assert main([*push, "--yes"]) == 0
    shown = capsys.readouterr()
    for name in hub.files[f"{REPOSITORY}@main"]:
        assert name in shown.err
    assert f"uploaded: {hub.address}" in shown.out
    assert TOKEN not in shown.out + shown.err
    assert main(["hub", "pull", REPOSITORY, "-o", "mine.safetensors"]) == 0
    assert SteeringVector.load("mine.safetensors").layers
