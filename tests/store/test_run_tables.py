"""Tables of a run are read through their schemas, with checksums and a bound on what they unpack to."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from run_folders import manifest, samples
from trimtab.analysis import COLUMNS, DOSE, JUDGEMENTS, RATES, REPLIES
from trimtab.errors import RunError
from trimtab.evaluation.answering import ANSWER_COLUMNS
from trimtab.evaluation.methods import METHOD_COLUMNS
from trimtab.store import parquet_files
from trimtab.store.table_schemas import GROWING, WHOLE
from trimtab.study import RunFolder
from trimtab.study.reporting import read_run


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    opened = RunFolder.open(tmp_path / "run", "me")
    opened.write_manifest(manifest())
    opened.append(samples(*(f"p{i}" for i in range(30)), score=[i / 7 for i in range(30)]))
    return opened


@pytest.fixture
def part(folder: RunFolder) -> Path:
    return folder.path / "samples" / "part-00000.parquet"


def change(part: Path, **columns: Any) -> None:
    """Write the part again with other columns."""
    table = pq.read_table(part)
    for name, values in columns.items():
        table = table.set_column(table.column_names.index(name), name, values)
    pq.write_table(table, part)


def test_schemas_are_those_of_the_tables_that_are_made() -> None:
    assert tuple(GROWING["samples"]) == COLUMNS
    assert tuple(GROWING["answers"]) == ANSWER_COLUMNS
    assert tuple(GROWING["replies"]) == REPLIES
    assert tuple(GROWING["judgements"]) == JUDGEMENTS
    assert tuple(GROWING["dose"]) == DOSE
    assert tuple(WHOLE["rates"]) == RATES
    assert tuple(WHOLE["diagnosis/method_samples"]) == METHOD_COLUMNS


def test_what_is_written_is_read_back_as_it_was(folder: RunFolder) -> None:
    rows = samples("a", "b", "c", score=[1.5, float("nan"), float("inf")], prompt_id=["é", "", "x" * 10_000])
    folder.append(rows)
    again = folder.samples()[30:].reset_index(drop=True)
    pd.testing.assert_frame_equal(again, rows)


@pytest.mark.parametrize("change", ["lacks", "has"])
def test_a_table_that_could_not_be_read_again_is_not_written(change: str, folder: RunFolder) -> None:
    rows = samples("a").drop(columns="score") if change == "lacks" else samples("a").assign(more=1)
    with pytest.raises(ValueError, match=change):
        folder.append(rows)


@pytest.mark.parametrize(
    ("column", "values", "words"),
    [
        ("score", pa.array(["1"] * 30), "column score holds string"),
        ("model", pa.array([1] * 30), "column model holds int64"),
        ("model", pa.array([None] * 30, pa.string()), "column model, row 1: is empty"),
        ("model", pa.array(["m"] * 29 + [None]), "column model, row 30: is empty"),
        ("score", pa.array([[1.0]] * 30), "column score holds list"),
        ("strength", pa.array([0.0] * 29 + [1e19]), r"column strength, row 30: 1e\+19"),
        ("strength", pa.array([float("nan")] * 30), "column strength, row 1: nan"),
        ("strength", pa.array([None] * 30, pa.float64()), "column strength, row 1: is empty"),
        ("depth", pa.array([1.5] * 30), "column depth, row 1: 1.5"),
        ("weight", pa.array([0.0] * 30), "column weight, row 1"),
        ("score", pa.array([1e300] * 30), "column score, row 1"),
        ("layer", pa.array([-2] * 30), "column layer, row 1: -2"),
        ("layer", pa.array([2**63] * 30, pa.uint64()), "not in range"),
        ("layer", pa.array([0.5] * 30), "column layer holds double"),
        ("layers", pa.array(["9;10"] * 30), "column layers, row 1: '9;10'"),
        ("scale", pa.array(["huge"] * 30), "column scale, row 1: 'huge' is not one of raw"),
        ("split", pa.array(["train"] * 30), "column split"),
        ("order", pa.array([300] * 30), "column order, row 1: 300"),
    ],
)
def test_values_that_cannot_be_are_refused_with_file_column_and_row(
    column: str, values: Any, words: str, folder: RunFolder, part: Path
) -> None:
    change(part, **{column: values})
    with pytest.raises(RunError, match=rf"part-00000.parquet: .*{words}.*; delete it"):
        folder.samples()


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("model", pa.array(["m"] * 30).dictionary_encode()),
        ("score", pa.array(range(30))),
        ("strength", pa.array([0.0] * 30, pa.float32())),
        ("order", pa.array([0] * 30, pa.int64())),
    ],
)
def test_other_spellings_of_the_same_values_are_read(column: str, values: Any, folder: RunFolder, part: Path) -> None:
    change(part, **{column: values})
    assert [str(v) for v in folder.samples()[column]] == [
        str(float(v)) if column in ("score", "strength") else str(v) for v in values.to_pylist()
    ]


def test_columns_that_nobody_asked_for_are_left_alone(folder: RunFolder, part: Path) -> None:
    pq.write_table(pq.read_table(part).append_column("notes", pa.array([["a"]] * 30)), part)
    assert tuple(folder.samples().columns) == COLUMNS


@pytest.mark.parametrize(
    ("about", "words"), [({"trimtab_run": "another"}, "another run"), ({"trimtab_table": "replies"}, "holds replies")]
)
def test_parts_from_elsewhere_are_refused(about: dict[str, str], words: str, folder: RunFolder, part: Path) -> None:
    pq.write_table(pq.read_table(part).replace_schema_metadata(about), part)
    with pytest.raises(RunError, match=words):
        folder.samples()


def test_a_copy_of_a_part_is_not_counted_twice(folder: RunFolder) -> None:
    rows = samples("p0").drop(columns=["scoring", "score"])
    answers = rows.assign(reply="A", finish="end", read="A", why="", matched=1.0)
    folder.append(answers, "answers")
    folder.append(answers, "answers")
    with pytest.raises(RunError, match=r"answers: has .* rows twice"):
        folder.parts("answers")


def flipped(part: Path, folder: RunFolder, places: Callable[[int], list[int]]) -> None:
    whole, raw = folder.samples(), part.read_bytes()
    refused = 0
    for place in places(len(raw)):
        damaged = bytearray(raw)
        damaged[place] ^= 1 << (place % 8)
        part.write_bytes(damaged)
        try:
            pd.testing.assert_frame_equal(folder.samples(), whole)
        except RunError:
            refused += 1
    part.write_bytes(raw)
    assert refused


def test_flipped_bytes_are_found_or_change_nothing(folder: RunFolder, part: Path) -> None:
    rng = random.Random(0)
    flipped(part, folder, lambda size: [rng.randrange(size) for _ in range(300)])


@pytest.mark.slow
def test_any_flipped_byte_is_found_or_changes_nothing(folder: RunFolder, part: Path) -> None:
    flipped(part, folder, lambda size: list(range(size)))


def test_flipped_scores_are_found(folder: RunFolder, part: Path) -> None:
    footer = pq.ParquetFile(part).metadata.row_group(0)
    chunk = next(footer.column(i) for i in range(footer.num_columns) if footer.column(i).path_in_schema == "score")
    raw = bytearray(part.read_bytes())
    start = chunk.dictionary_page_offset if chunk.has_dictionary_page else chunk.data_page_offset
    raw[start + chunk.total_compressed_size - 5] ^= 1
    part.write_bytes(raw)
    with pytest.raises(RunError, match=r"CRC|crc|corrupt"):
        folder.samples()


def test_texts_that_unpack_to_terabytes_are_refused_before_they_are_unpacked(folder: RunFolder, part: Path) -> None:
    bomb = pa.DictionaryArray.from_arrays(pa.array([0] * 30, pa.int8()), pa.array(["x" * 30_000_000]))
    change(part, label=bomb)
    assert part.stat().st_size < 2 << 20
    with pytest.raises(RunError, match="unpacks to 900,000,980 bytes"):
        folder.samples()


def test_rows_that_unpack_to_gigabytes_are_refused_before_they_are_read(
    folder: RunFolder, part: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_files, "USUAL_CELLS", 1_000_000)
    table = pq.read_table(part)[:1].take(pa.nulls(1_000_000, pa.int8()).fill_null(0))
    pq.write_table(table, part)
    assert part.stat().st_size < 1 << 16
    with pytest.raises(RunError, match="unpacks to 16,000,000 cells"):
        folder.samples()


def test_many_small_parts_count_together(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_files, "MAX_CELLS", 600)
    assert len(folder.samples()) == 30
    folder.append(samples(*map(str, range(30))))
    with pytest.raises(RunError, match=r"part-00001.parquet: unpacks to 960 cells"):
        folder.samples()


def test_a_judgement_is_there_once_unless_it_failed(folder: RunFolder) -> None:
    rows = samples("p0").drop(columns=["layer", "depth", "scoring", "order", "label", "weight"])
    judged = rows.assign(judge="j", change=0.0, coherence=9.0, failure="")
    folder.append(judged.assign(failure="timed out", score=float("nan")), "judgements")
    folder.append(judged, "judgements")
    assert len(folder.parts("judgements")) == 2  # type: ignore[arg-type]
    folder.append(judged, "judgements")
    with pytest.raises(RunError, match="judgements: has 1 rows twice"):
        folder.parts("judgements")


def test_what_stands_in_place_of_a_tables_folder_is_named(folder: RunFolder, part: Path) -> None:
    part.unlink()
    part.parent.rmdir()
    part.parent.write_text("samples")
    with pytest.raises(RunError, match="samples: is not a folder"):
        folder.samples()


@pytest.mark.parametrize("sweep", [True, False])
def test_a_run_without_samples_is_whole_only_where_none_were_wanted(sweep: bool, folder: RunFolder, part: Path) -> None:
    part.unlink()
    folder.write_manifest(manifest(settings={"sweep": sweep}))
    if sweep:
        with pytest.raises(RunError, match="holds no samples yet"):
            read_run(folder.path)
    else:
        assert read_run(folder.path).samples.empty
