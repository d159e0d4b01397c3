"""Schemas of tables: what each column means, and tables of measures from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from run_folders import manifest
from trimtab.errors import RunError, SettingError
from trimtab.store._table_columns import COLUMNS, Column, measured, schema
from trimtab.store.cached_tables import CachedTables, TableName, read_cached_tables
from trimtab.store.open_manifest import OpenManifest
from trimtab.store.table_docs import tables_page
from trimtab.store.table_schemas import GROWING, TABLES, WHOLE, Table, register_table
from trimtab.study import RunFolder

MOODS = schema(("model", "behavior", "prompt_id", "mood"), mood=measured("how glad the reply is", "points", 0, 5))


@pytest.fixture
def moods() -> Iterator[str]:
    """A table of a measure from elsewhere."""
    with TABLES.temporarily("mood/replies", Table(MOODS, "one reply", ("model", "behavior", "prompt_id"))):
        yield "mood/replies"


@pytest.mark.parametrize("name", TABLES.names())
def test_every_column_of_every_table_has_a_meaning_and_numbers_a_range(name: str) -> None:
    table = TABLES.get(name)
    assert table.row
    assert set(table.key) <= set(table.schema)
    assert (name in GROWING) is table.grows
    assert (name in WHOLE) is not table.grows
    for column in table.schema.values():
        assert column.meaning
        assert column.kind == "text" or not (column.words or column.pattern)
        if column.kind == "integer":
            assert column.unit


def test_a_column_has_one_meaning_wherever_it_stands_unless_its_table_says_otherwise() -> None:
    own = {(name, column) for name in TABLES.names() for column in TABLES.get(name).schema if column not in COLUMNS}
    assert {column for _, column in own} == {"change", "coherence"}


def test_the_page_in_the_docs_is_made_from_the_schemas() -> None:
    page = Path(__file__).parents[2] / "docs" / "tables.md"
    assert page.read_text(encoding="utf-8") == tables_page(), "python -m trimtab.store.table_docs > docs/tables.md"


def frame(mood: float) -> pd.DataFrame:
    return pd.DataFrame({"model": "m", "behavior": "b", "prompt_id": ["p", "q"], "mood": [mood, 1.0]})


def test_a_table_of_a_measure_from_elsewhere_is_written_cached_and_read(moods: str, tmp_path: Path) -> None:
    folder = RunFolder.open(tmp_path / "run", "me")
    run = OpenManifest(folder, manifest())
    run.write()
    tables = CachedTables(run)
    name = TableName("mood", "replies", "m", "b")
    made = tables.table(name, "settings", lambda: frame(2.0))
    again = tables.table(name, "settings", lambda: frame(3.0))
    pd.testing.assert_frame_equal(again, made)
    pd.testing.assert_frame_equal(tables.table(name, "other settings", lambda: frame(3.0)), frame(3.0))
    found = read_cached_tables(folder, "mood", "replies")
    assert found is not None
    pd.testing.assert_frame_equal(found, frame(3.0))
    assert [(t.model, t.behavior) for t in folder.manifest().cached_tables] == [("m", "b")]


def test_values_out_of_the_range_of_its_schema_are_refused(moods: str, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write(f"{moods}--m--b", frame(6.0))
    with pytest.raises(RunError, match=r"column mood, row 1: 6\.0 is not a number from 0 to 5"):
        folder.table(f"{moods}--m--b")


def test_tables_that_are_no_longer_asked_for_are_deleted_and_those_of_others_stay(moods: str, tmp_path: Path) -> None:
    folder = RunFolder.open(tmp_path / "run", "me")
    run = OpenManifest(folder, manifest())
    run.write()
    first = CachedTables(run)
    for model, detail in (("m", "old"), ("n", "old")):
        first.table(TableName("mood", "replies", model, "b", (detail,)), "", lambda: frame(1.0))
    second = CachedTables(run)
    second.table(TableName("mood", "replies", "m", "b", ("new",)), "", lambda: frame(1.0))
    second.drop_unused(["other"])
    assert len(run.manifest.cached_tables) == 3
    second.drop_unused(["mood"])
    names = [entry.name for entry in folder.manifest().cached_tables]
    assert sorted(names) == ["mood/replies--m--b--new", "mood/replies--n--b--old"]
    assert folder.table("mood/replies--m--b--old") is None


@pytest.mark.parametrize(
    ("name", "columns", "words"),
    [
        ("samples", MOODS, "measure/table"),
        ("../mood/replies", MOODS, "measure/table"),
        ("mood/replies", {"model": Column("text")}, "'behavior'"),
        ("robustness/samples", MOODS, "registered already"),
    ],
)
def test_a_table_that_could_not_be_stored_is_not_registered(name: str, columns: dict[str, Column], words: str) -> None:
    with pytest.raises(SettingError, match=words):
        register_table(name, columns, row="one reply")
