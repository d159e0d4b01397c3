"""Files that are none, and every reader that must refuse them: in words, at once, without waiting or filling memory."""

from __future__ import annotations

import ast
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import trimtab
from trimtab.cli.main import main
from trimtab.data import dataset
from trimtab.errors import DataError, ModelError, RunError, SettingError, TrimtabError, VectorError
from trimtab.generation import read_decisions
from trimtab.generation.record import PairRecord
from trimtab.importing._table_files import read_table
from trimtab.inputs.bounded_files import FileKind, read_text
from trimtab.models.bundled import resolve
from trimtab.monitors import Monitor
from trimtab.store.model_facts import read_models
from trimtab.study import read_study
from trimtab.vectors import SteeringVector

KIND = FileKind("study file", 100, SettingError)
READERS: dict[str, tuple[str, Callable[[Path], object], type[TrimtabError]]] = {
    "pairs": ("p.jsonl", dataset, DataError),
    "study": ("s.yaml", read_study, SettingError),
    "models": ("m.yaml", read_models, SettingError),
    "vector": ("v.safetensors", SteeringVector.load, VectorError),
    "foreign vector": ("v.gguf", SteeringVector.read, VectorError),
    "monitor": ("m.safetensors", Monitor.load, VectorError),
    "notes": ("n.generation.json", lambda path: PairRecord.read(path.with_name("n.jsonl")), RunError),
    "decisions": ("d.json", read_decisions, DataError),
    "table": ("t.csv", read_table, DataError),
    "model": ("m.gguf", lambda path: resolve(str(path)), ModelError),
}


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(str(path))


def make_huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**51)


NO_FILES: dict[str, Callable[[Path], object]] = {
    "a pipe": make_pipe,
    "a socket": make_socket,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a broken link": lambda path: path.symlink_to("nowhere"),
    "a circle of links": lambda path: path.symlink_to(path.name),
    "an empty file": Path.touch,
    "bytes of nothing": lambda path: path.write_bytes(b"\xff\xfe\x00\x01" * 100),
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)  # a socket's name is 107 characters at most
    return Path()


@pytest.mark.parametrize("kind", NO_FILES)
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.timeout(20)
def test_every_reader_refuses_what_is_no_file_of_its_kind(reader: str, kind: str, here: Path) -> None:
    name, read, error = READERS[reader]
    NO_FILES[kind](here / name)
    with pytest.raises(error) as caught:
        read(here / name)
    assert name in str(caught.value)


@pytest.mark.parametrize("reader", sorted(set(READERS) - {"notes"}))
@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "none/"])
def test_every_reader_refuses_names_that_no_file_has(reader: str, name: str, here: Path) -> None:
    ending, read, error = READERS[reader]
    with pytest.raises(error):
        read(here / f"{name}.{ending}")


def test_a_file_beyond_the_limit_of_its_kind_is_refused_unread(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_bytes(b"x" * 101)
    with pytest.raises(SettingError, match=r"s\.yaml: .*101 bytes.*100 bytes"):
        read_text(tmp_path / "s.yaml", KIND)


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_bytes(b"\xef\xbb\xbfa: 1")
    assert read_text(tmp_path / "s.yaml", KIND) == "a: 1"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a: é".encode("utf-16"), "UTF-16"),
        (b"a: 1\nb: \xe9", r"s\.yaml:2: not UTF-8"),
        (b"a: \0", "binary"),
        (b"\x1f\x8b...", "gunzip"),
    ],
)
def test_what_is_no_utf8_is_told_as_what_it_is(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "s.yaml").write_bytes(content)
    with pytest.raises(SettingError, match=words):
        read_text(tmp_path / "s.yaml", KIND)


def test_a_missing_file_is_told_with_a_near_one(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").touch()
    with pytest.raises(SettingError, match=r"stdy\.yaml: no such study file; did you mean .*study\.yaml"):
        read_text(tmp_path / "stdy.yaml", KIND)


def test_many_lines_and_many_values_are_refused_before_they_fill_the_memory(tmp_path: Path) -> None:
    (tmp_path / "lines.jsonl").write_bytes(b"\n" * 3_000_000)
    (tmp_path / "values.jsonl").write_bytes((b'{"meta": [' + b"[]," * 300_000 + b"[]]}\n") * 10)
    for name, words in (("lines", "more than 100,000 lines"), ("values", "values up to here")):
        with pytest.raises(DataError, match=words):
            dataset(tmp_path / f"{name}.jsonl")


def test_a_chat_file_that_is_a_pipe_is_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_pipe(here / "chat.json")
    assert main(["monitor", "score", "none", "--file", "chat.json"]) == 2
    assert "chat.json: this is a named pipe" in capsys.readouterr().err


# What may open files by itself, and why.
OWN_READERS = {
    "_util/regular_files.py": "the one way in",
    "models/gguf/conversion.py": "hashes a GGUF file that has been checked",
    "cli/processes.py": "what processes that it has started have written to its temporary folder",
    "store/run_folder.py": "the run's own folder",
    "importing/external_results.py": "hashes a table that has been read",
    "serve/playground/_page_files.py": "the page that comes with trimtab",
    "serve/playground/_export_routes.py": "reads what an export wrote into a temporary folder",
    "serve/http/zip_stream.py": "sends files of a folder that was written, or verified, for it",
    "vectors/exports/gguf_export.py": "reads what its writer wrote into a temporary folder",
    "sharing/shared_vector.py": "hashes files that it has just written",
    "engines/vllm/plugin/plugin_settings.py": "hashes trimtab's own code",
}
PARSERS = {
    "inputs/json_text.py",
    "inputs/yaml_text.py",
    "generation/generating.py",
}
"""Parse texts that are no files of people: what a model wrote."""


def readers(file: Path) -> Iterator[int]:
    """Lines that open a file for reading, or parse JSON or YAML, by themselves."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        modes = [a.value for a in [*node.args, *(k.value for k in node.keywords)] if isinstance(a, ast.Constant)]
        writes = any(isinstance(mode, str) and set(mode) & set("wax") for mode in modes)
        parses = called in ("json.load", "json.loads", "yaml.load", "yaml.safe_load", "yaml.compose", "pickle.load")
        opens = called in ("open", "path.open", "file.open") and not writes
        if parses or opens or called.endswith((".read_text", ".read_bytes")):
            yield node.lineno


def test_files_are_read_in_one_place_only() -> None:
    source = Path(trimtab.__file__).parent
    found = {
        f"{name}:{line}"
        for file in source.rglob("*.py")
        if (name := file.relative_to(source).as_posix()) not in OWN_READERS and name not in PARSERS
        for line in readers(file)
    }
    assert not found, (
        f"read files through trimtab.inputs.bounded_files, JSON and YAML through trimtab.inputs: {sorted(found)}"
    )
