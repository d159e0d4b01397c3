"""Settings as folders over HTTP: what `trimtab hub push` and `trimtab bake` write, as an archive, or why not."""

from __future__ import annotations

import asyncio
import base64
import io
import os
import shlex
import tempfile
import time
import zipfile
from collections.abc import AsyncGenerator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from run_folders import recommending_run
from served import STRENGTH, Served, chat_model, refused, running, service_for
from tiny import CHAT_TEMPLATE, tiny_model, tiny_tokenizer, vector_for
from trimtab.baking import bake
from trimtab.cli.main import main
from trimtab.engines import Model
from trimtab.models import wrap
from trimtab.serve.http.streams import EventStream
from trimtab.serve.http.zip_stream import zip_pieces
from trimtab.serve.playground import _export_folders, _export_routes
from trimtab.serve.steering._vector_sources import RecommendedPush
from trimtab.serve.steering.steering_request import parse_steering
from trimtab.serve.steering.vector_library import NamedVector, VectorLibrary
from trimtab.sharing import receive_vector, share_run, share_vector
from trimtab.steering import SteeringSetting

EXPORT = "/v1/steering/export"
ONE: dict[str, Any] = {"vector": "cheerful", "layers": [1], "strength": STRENGTH}


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with running(service_for(chat_model(), gives_weights=True)) as found:
        yield found


def received(served: Served, into: Path, **body: Any) -> Path:
    """The folder that the archive of a response holds."""
    with served.client() as http:
        response = http.post(EXPORT, json=body)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/zip"
    archive = zipfile.ZipFile(io.BytesIO(response.content))
    assert archive.testzip() is None
    archive.extractall(into)
    (folder,) = into.iterdir()
    assert response.headers["content-disposition"] == f'attachment; filename="{folder.name}.zip"'
    return folder


def shared_in(folder: Path) -> tuple[Any, ...]:
    """What a shared folder holds; the order of its files' headers is no part of it."""
    found = receive_vector(folder)
    other = {file.name: file.read_bytes() for file in folder.iterdir() if file.suffix in (".md", ".gguf")}
    return found.vector.direction.tolist(), replace(found.steering, files={}), other


def nothing_is_left(served: Served) -> None:
    """Counted down and deleted when the last piece has been sent, a moment after it has arrived."""
    end = time.monotonic() + 60
    while served.service.exports or list(Path(tempfile.gettempdir()).glob("trimtab-export-*")):
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))


def test_a_setting_is_the_folder_that_sharing_writes_and_says_that_nothing_was_measured(
    served: Served, tmp_path: Path
) -> None:
    steering = {"pushes": [ONE], "first_token": True, "positions": "all"}
    found = received(served, tmp_path / "got", steering=steering)
    vector = served.service.library.get("cheerful").vector
    expected = tmp_path / "expected"
    share_vector(vector, expected, layer=1, strength=STRENGTH, first_token=True)
    assert shared_in(found) == shared_in(expected)
    assert "was not measured" in (found / "README.md").read_text(encoding="utf-8")
    nothing_is_left(served)


def test_the_setting_that_a_run_recommends_is_shared_with_what_was_measured(tmp_path: Path) -> None:
    run = tmp_path / "run"
    model = Model(wrap(tiny_model("llama", num_hidden_layers=12), tiny_tokenizer(CHAT_TEMPLATE), name="tiny-deep"))
    recommending_run(run, model.backbone)
    library = VectorLibrary.read([run], model.backbone)
    (one,) = library
    use = one.recommended
    assert use is not None
    with running(service_for(model, library=library)) as served:
        found = received(served, tmp_path / "got", steering=one.name)
        other = received(served, tmp_path / "other", steering={"vector": one.name, "strength": use.strength / 2})
    assert str(tmp_path) not in "".join(map(str, shared_in(found)))
    share_run(run, tmp_path / "expected")
    assert shared_in(found) == shared_in(tmp_path / "expected")
    assert receive_vector(found).steering.effect is not None
    assert receive_vector(other).steering.effect is None


def test_the_setting_of_a_shared_folder_is_that_folder(tmp_path: Path) -> None:
    model = chat_model()
    folder = tmp_path / "glad"
    share_vector(vector_for(model.backbone), folder, layer=1, strength=STRENGTH)
    (folder / "private.txt").write_text("stays here")
    library = VectorLibrary.read([folder], model.backbone)
    (one,) = library
    with running(service_for(model, library=library)) as served:
        found = received(served, tmp_path / "got", steering=one.name)
    names = {file.name for file in found.iterdir()}
    assert names == {"vectors.safetensors", "steering.json", "README.md", "control_vector.gguf"}
    assert all((found / name).read_bytes() == (folder / name).read_bytes() for name in names)


def test_a_shared_folder_of_links_is_written_anew(tmp_path: Path) -> None:
    """As the hub's cache holds one, without its card."""
    model = chat_model()
    files, folder = tmp_path / "blobs", tmp_path / "glad"
    share_vector(vector_for(model.backbone), files, layer=1, strength=STRENGTH)
    folder.mkdir()
    for name in ("vectors.safetensors", "steering.json"):
        (folder / name).symlink_to(files / name)
    library = VectorLibrary.read([folder], model.backbone)
    (one,) = library
    with running(service_for(model, library=library)) as served:
        found = received(served, tmp_path / "got", steering=one.name)
    assert shared_in(found)[0] == one.vector.direction.tolist()
    assert "was not measured" in (found / "README.md").read_text(encoding="utf-8")


def test_another_layers_direction_is_not_what_is_recommended(served: Served) -> None:
    vector = served.service.library.get("cheerful").vector
    for elsewhere in (None, 2):
        use = RecommendedPush((1,), STRENGTH, SteeringSetting(vector_layer=elsewhere))
        steering = parse_steering(ONE, VectorLibrary([NamedVector("cheerful", vector, use)]))
        assert steering is not None
        one = steering.library.get("cheerful")
        assert _export_folders._is_recommended(steering.pushes[0], steering, one) == (elsewhere is None)


def test_a_baked_model_is_what_baking_writes(served: Served, tmp_path: Path) -> None:
    found = received(served, tmp_path / "got", steering=ONE, **{"as": "model"})
    vector = served.service.library.get("cheerful").vector
    expected = tmp_path / "expected"
    bake(served.model, vector, expected, layer=1, strength=STRENGTH)
    weights, wanted = (load_file(folder / "model.safetensors") for folder in (found, expected))
    assert weights.keys() == wanted.keys()
    assert all(torch.equal(weights[name], wanted[name]) for name in wanted)
    assert {file.name for file in found.iterdir()} == {file.name for file in expected.iterdir()}
    nothing_is_left(served)


def test_replies_wait_while_a_model_is_baked_and_are_the_same(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Baking puts hooks on the modules that replies run through."""
    from concurrent.futures import ThreadPoolExecutor

    body = {"messages": [{"role": "user", "content": "Hello"}], "temperature": 0, "max_tokens": 24, "steering": ONE}

    def reply() -> str:
        with served.client() as http:
            return str(http.post("/v1/chat/completions", json=body).json()["choices"][0]["message"]["content"])

    expected = reply()
    with ThreadPoolExecutor(4) as pool, served.client() as http:
        replies = [pool.submit(reply) for _ in range(3)]
        baked = pool.submit(http.post, EXPORT, json={"steering": ONE, "as": "model"})
        replies += [pool.submit(reply) for _ in range(3)]
        assert {one.result(60) for one in replies} == {expected}
        assert baked.result(60).status_code == 200


@pytest.mark.parametrize(
    ("steering", "form", "names"),
    [
        (None, "folder", "the setting to export"),
        ("cheerful - formal", "folder", "one vector"),
        ("cheerful - formal", "model", "one vector"),
        ({**ONE, "vector_layer": 2}, "folder", "own directions"),
        ({**ONE, "scale": "rotate", "strength": 30}, "folder", "rotate"),
        ({**ONE, "scale": "rotate", "strength": 30}, "model", "rotate"),
        ({"pushes": [ONE], "positions": "after_prompt"}, "model", "after_prompt"),
    ],
)
def test_what_no_folder_holds_is_refused_without_a_path(served: Served, steering: Any, form: str, names: str) -> None:
    error = refused(served, 400, EXPORT, steering=steering, **{"as": form})
    assert error["param"] == "steering"
    assert names in error["message"]
    assert tempfile.gettempdir() not in error["message"]
    nothing_is_left(served)
    assert refused(served, 400, EXPORT, steering=ONE, **{"as": "tarball"})["param"] == "as"


def command_in(message: str) -> list[str]:
    reason, command = message.split("\n")
    assert reason
    return shlex.split(command)


def test_a_model_that_is_not_made_here_comes_with_the_command_that_makes_it(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounded = Model(wrap(tiny_model("llama").to(torch.bfloat16), tiny_tokenizer(), name="tiny-llama"))
    asked = {"steering": ONE, "as": "model"}
    with running(service_for(rounded, gives_weights=True)) as other:
        of_dtype = refused(other, 400, EXPORT, **asked)["message"]
    with running(service_for(chat_model())) as shared:
        of_place = refused(shared, 403, EXPORT, **asked)["message"]
    monkeypatch.setattr(_export_folders, "MAX_BAKED_BYTES", 1000)
    of_size = refused(served, 413, EXPORT, **asked)["message"]
    assert "bfloat16" in of_dtype
    assert "1,000" in of_size
    assert command_in(of_dtype) == command_in(of_place) == command_in(of_size)
    assert command_in(of_size)[:6] == ["trimtab", "bake", "--model", "tiny-llama", "--vectors", "cheerful.safetensors"]


def test_no_export_says_where_the_folder_of_the_model_is(tmp_path: Path) -> None:
    place = "/home/somebody/secret/tiny-llama"
    steering: dict[str, Any] = {"steering": ONE}
    plain = Model(wrap(tiny_model("llama"), tiny_tokenizer(CHAT_TEMPLATE), name=place))
    rounded = Model(wrap(tiny_model("llama").to(torch.bfloat16), tiny_tokenizer(), name=place))
    with running(service_for(plain, gives_weights=True)) as served:
        for form in ("folder", "model"):
            found = received(served, tmp_path / form, **steering, **{"as": form})
            assert not [file.name for file in found.iterdir() if b"secret" in file.read_bytes()]
        with served.client() as http:
            file = http.post("/v1/steering/gguf", json=steering).json()
        content = base64.b64decode(file["content"])
        assert b"tiny-llama" in content
        assert b"secret" not in content
    with running(service_for(rounded, gives_weights=True)) as served:
        message = refused(served, 400, EXPORT, **steering, **{"as": "model"})["message"]
    assert message.startswith("tiny-llama is loaded in bfloat16")
    assert "secret" not in message


def test_messages_lose_paths_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    without = _export_folders._without
    for text in (
        f"{tmp_path}/run/a.yaml: is damaged (0.5 of 1/2). Write it again.",
        "run/a.yaml: is damaged. 1/2 of it.",
    ):
        for folder in ("run", "./run", tmp_path / "run"):
            kept = without(text, Path(folder))
            assert kept.removeprefix("run/") == text.removeprefix(f"{tmp_path}/run/").removeprefix("run/")
    below = "run/a.yaml and /run/a.yaml: 1/2 of it. See /runs."
    assert without(below, Path("/run")) == "run/a.yaml and a.yaml: 1/2 of it. See /runs."
    assert without("home/me/run/a: is a link", Path("home/me/run")) == "a: is a link"
    assert without("what /home/me/run holds; /home/me.", Path("/home/me/run")) == "what the folder holds; the folder."


def test_the_command_bakes_the_setting(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_export_folders, "MAX_BAKED_BYTES", 1000)
    asked = {**ONE, "layers": [1, 2], "strength": 0.07071067811865475}
    words = command_in(refused(served, 413, EXPORT, steering=asked, **{"as": "model"})["message"])
    model = tmp_path / "model"
    served.model.backbone.model.save_pretrained(model)  # type: ignore[attr-defined]
    served.model.backbone.tokenizer.save_pretrained(model)
    monkeypatch.chdir(tmp_path)
    vector = served.service.library.get("cheerful").vector
    vector.save(Path("cheerful.safetensors"))
    words[words.index("tiny-llama")] = str(model)
    assert words[words.index("--strength") + 1] == "0.07071067811865475"
    assert main(words[1:]) == 0
    bake(served.model, vector, tmp_path / "expected", layer=[1, 2], strength=0.07071067811865475)
    made, wanted = (
        load_file(folder / "model.safetensors") for folder in (Path("cheerful-model"), tmp_path / "expected")
    )
    assert all(torch.equal(made[name], wanted[name]) for name in wanted)


def test_only_so_many_folders_are_sent_at_once(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served.service, "exports", _export_routes.MAX_EXPORTS)
    assert refused(served, 429, EXPORT, steering=ONE)["code"] == "queue_full"


def test_a_client_that_leaves_or_stalls_leaves_no_folder_behind(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_export_routes, "STALL_SECONDS", 0.5)
    slow = zip_pieces

    def endless(files: Any) -> Iterator[bytes]:
        yield from slow(files)
        while True:
            yield bytes(1 << 20)

    monkeypatch.setattr("trimtab.serve.http.zip_stream.zip_pieces", endless)
    with served.client() as http, http.stream("POST", EXPORT, json={"steering": ONE}) as response:
        next(response.iter_raw())
        nothing_is_left(served)  # nothing is read any more, and the connection is still open
    with served.client() as http, http.stream("POST", EXPORT, json={"steering": ONE}) as response:
        next(response.iter_raw())
    nothing_is_left(served)


def test_an_archive_is_read_piece_by_piece_and_holds_what_the_files_hold(tmp_path: Path) -> None:
    large = tmp_path / "large.bin"
    large.write_bytes(bytes(range(256)) * (3 << 12))
    pieces = list(zip_pieces({"a/large.bin": large, "a/deep/small": Path(__file__)}))
    assert max(map(len, pieces)) < (1 << 20) + (1 << 10)
    archive = zipfile.ZipFile(io.BytesIO(b"".join(pieces)))
    assert archive.read("a/large.bin") == large.read_bytes()
    assert archive.read("a/deep/small") == Path(__file__).read_bytes()


def test_a_file_from_before_the_first_year_of_archives_is_sent(tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.write_bytes(b"words")
    os.utime(old, (0, 0))
    archive = zipfile.ZipFile(io.BytesIO(b"".join(zip_pieces({"a/old": old}))))
    assert archive.read("a/old") == b"words"


@pytest.mark.parametrize("sends", [True, False])
def test_only_errors_of_sending_are_the_client_leaving(sends: bool) -> None:
    ended = []

    async def pieces() -> AsyncGenerator[bytes, None]:
        yield b"a piece"
        raise OSError("the disk is damaged")

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body" and not sends:
            raise ConnectionResetError

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def answered() -> None:
        await EventStream(pieces(), "text/plain", lambda: ended.append(True))({"path": "/"}, receive, send)

    if sends:
        with pytest.raises(OSError, match="the disk is damaged"):
            asyncio.run(answered())
    else:
        asyncio.run(answered())
    assert ended == [True]
