"""Everything that is written goes through `trimtab._util.atomic_files`: whole or not at all, and through no link."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import trimtab

SOURCE = Path(trimtab.__file__).parent
THE_PLACE = "_util/atomic_files.py"
WRITES = {
    "write_text", "write_bytes", "save_file", "save_pretrained", "write_to_dataset", "ParquetWriter", "savefig",
    "to_parquet", "to_excel", "to_pickle", "to_feather", "to_hdf", "mkstemp", "NamedTemporaryFile",
    "TemporaryFile", "symlink_to", "hardlink_to", "link", "makedirs", "touch", "copyfile", "copytree", "copy2", "move",
    "mkdir", "rmtree", "unlink", "rmdir",
}  # fmt: skip
MODULES = {
    "os": {"open", "replace", "rename", "remove"},
    "json": {"dump"},
    "yaml": {"dump"},
    "torch": {"save"},
    "np": {"save"},
}
ELSEWHERE = {
    # A conversion is made in a folder of its own, which is renamed when it is whole; transformers writes it.
    ("models/gguf/conversion.py", "mkdir"),
    ("models/gguf/conversion.py", "rmtree"),
    ("models/gguf/conversion.py", "replace"),
    ("models/gguf/conversion.py", "write_text"),
    ("models/gguf/conversion.py", "save_pretrained"),
    ("models/gguf/conversion.py", "save_file"),
    # A divided model's other processes work in a copy of the run, in a temporary folder that is deleted.
    ("study/divided/team.py", "copytree"),
    ("vectors/exports/lm_eval_export.py", "save"),  # into memory
    ("serve/http/zip_stream.py", "open"),  # an entry of an archive that is sent piece by piece
    ("study/recommending/recommended_file.py", "dump"),  # into a text
    ("vectors/exports/tensor_export.py", "save"),
    ("baking/baked_checkpoint.py", "save_pretrained"),  # into a folder that `whole_folder` made
    ("_util/regular_files.py", "open"),  # to read, and without waiting
    # SQLite writes its file itself: many processes share it.
    ("llm/cache.py", "mkdir"),
    # Closed and deleted in one: waiting states that have no room in memory.
    ("engines/transformers/streaming/_waiting_states.py", "TemporaryFile"),
    ("cli/main.py", "open"),  # of the null device, for a standard output that takes nothing any more
}


def writes(file: Path) -> Iterator[tuple[int, str]]:
    """(line, what is called) of everything in a file that writes, renames or deletes."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        owner = called.value.id if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) else ""
        texts = [a.value for a in [*node.args, *(k.value for k in node.keywords)] if isinstance(a, ast.Constant)]
        opens = name in ("open", "fdopen") and any(
            isinstance(mode, str) and len(mode) <= 3 and set(mode) & set("wax+") for mode in texts
        )
        to_csv = name == "to_csv" and bool(node.args)
        to_parquet = name == "write_table" and file.name != "parquet_files.py"  # which has a file that is open
        if opens or to_csv or to_parquet or name in WRITES or name in MODULES.get(owner, ()):
            yield node.lineno, name


def test_nothing_is_written_but_by_the_one_place_that_writes() -> None:
    found = {
        (str(file.relative_to(SOURCE)), name): line
        for file in sorted(SOURCE.rglob("*.py"))
        for line, name in writes(file)
    }
    strays = {place: line for place, line in found.items() if place[0] != THE_PLACE and place not in ELSEWHERE}
    assert not strays
    assert set(found) >= ELSEWHERE, "what is excused is there"


def test_the_search_finds_writers(tmp_path: Path) -> None:
    lines = [
        "open(path, 'w')", "path.open('ab')", "path.write_text('x')", "frame.to_csv(path)", "os.replace(a, b)",
        "json.dump(x, file)", "torch.save(x, path)", "pq.write_table(t, path)", "shutil.rmtree(path)",
        "os.open(path, 1)",
    ]  # fmt: skip
    file = tmp_path / "writer.py"
    file.write_text(
        "\n".join([*lines, "open(path)", "open(path, 'rb')", "frame.to_csv(index=False)", "text.replace('a', 'b')"])
    )
    assert [line for line, _ in writes(file)] == list(range(1, len(lines) + 1))
