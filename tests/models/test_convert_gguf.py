"""A GGUF file is converted once, whole or not at all, however many processes want it."""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path

import pytest

from trimtab.errors import ModelError
from trimtab.models.gguf import conversion


@pytest.fixture
def gguf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRIMTAB_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "small.gguf"
    path.write_bytes(b"GGUF weights")
    return path


def leftovers(tmp_path: Path) -> list[str]:
    return sorted(p.name for p in (tmp_path / "cache" / "models").iterdir() if p.suffix != ".lock")


def slow_convert(gguf: Path, folder: Path) -> None:
    with (gguf.parent / "conversions").open("a", encoding="utf-8") as log:
        log.write("one\n")
    (folder / "config.json").write_text("{}", encoding="utf-8")
    time.sleep(0.3)
    (folder / "model.safetensors").write_text("whole", encoding="utf-8")


def convert_and_read(gguf: Path, texts: multiprocessing.Queue[str]) -> None:
    conversion._convert = slow_convert
    texts.put((conversion.convert_gguf(gguf) / "model.safetensors").read_text(encoding="utf-8"))


def test_processes_at_once_convert_once_and_all_get_the_whole_result(gguf: Path, tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    texts: multiprocessing.Queue[str] = context.Queue()
    workers = [context.Process(target=convert_and_read, args=(gguf, texts)) for _ in range(3)]
    for worker in workers:
        worker.start()
    assert [texts.get(timeout=30) for _ in workers] == ["whole"] * 3
    for worker in workers:
        worker.join()
    assert (tmp_path / "conversions").read_text(encoding="utf-8") == "one\n"
    assert len(leftovers(tmp_path)) == 1


def test_a_failed_conversion_leaves_nothing_behind(gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(gguf: Path, folder: Path) -> None:
        (folder / "config.json").write_text("{}", encoding="utf-8")
        raise ModelError("the disk is full")

    monkeypatch.setattr(conversion, "_convert", fail)
    with pytest.raises(ModelError, match="disk is full"):
        conversion.convert_gguf(gguf)
    assert leftovers(tmp_path) == []
    monkeypatch.setattr(conversion, "_convert", slow_convert)  # the next try is not in its way
    assert (conversion.convert_gguf(gguf) / "model.safetensors").is_file()


def test_what_a_killed_conversion_left_is_cleared(gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(gguf: Path, folder: Path) -> None:
        (folder / "half").write_text("half", encoding="utf-8")
        monkeypatch.setattr("shutil.rmtree", lambda *args, **kwargs: None)  # nobody cleans up
        raise KeyboardInterrupt

    monkeypatch.setattr(conversion, "_convert", die)
    with pytest.raises(KeyboardInterrupt):
        conversion.convert_gguf(gguf)
    assert len(leftovers(tmp_path)) == 1
    monkeypatch.undo()
    monkeypatch.setenv("TRIMTAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(conversion, "_convert", slow_convert)
    folder = conversion.convert_gguf(gguf)
    assert leftovers(tmp_path) == [folder.name]
    assert not (folder / "half").exists()


def test_a_replaced_file_is_converted_again(gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversion, "_convert", slow_convert)
    first = conversion.convert_gguf(gguf)
    assert conversion.convert_gguf(gguf) == first
    gguf.write_bytes(b"GGUF other weights")
    assert conversion.convert_gguf(gguf) != first


def test_the_cache_folder_can_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TRIMTAB_CACHE", str(tmp_path))
    assert conversion.cache_folder() == tmp_path
