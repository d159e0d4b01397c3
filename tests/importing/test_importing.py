"""ExternalResults tables become run folders, or are refused with every problem at its row and nothing written."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trimtab.analysis import best_cells, effects
from trimtab.cli.main import main
from trimtab.importing import _table_files
from trimtab.study import RunFolder

HEADER = "model,behavior,layer,strength,prompt_id,score"


def write(tmp_path: Path, *rows: str, header: str = HEADER, name: str = "r.csv") -> Path:
    file = tmp_path / name
    file.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return file


def brought(tmp_path: Path, file: Path, *options: str) -> pd.DataFrame:
    """The samples of an import that works."""
    assert main(["import", str(file), "-o", str(tmp_path / "run"), *options]) == 0
    return RunFolder(tmp_path / "run").samples()


def told(tmp_path: Path) -> list[str]:
    return [warning.text for warning in RunFolder(tmp_path / "run").manifest().warnings]


@pytest.fixture
def refusal(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    def refused(file: Path, *options: str) -> str:
        before = sorted(p.name for p in tmp_path.iterdir())
        assert main(["import", str(file), "-o", str(tmp_path / "run"), *options]) == 2
        assert sorted(p.name for p in tmp_path.iterdir()) == before, "nothing is written"
        errors = capsys.readouterr().err
        assert "Traceback" not in errors
        return errors

    return refused


CELLS = [f"m,b,{layer},{s},p{p},{s * 2 + p}" for layer in (3, 5) for s in (-1, 0, 1) for p in range(3)]


def test_unsteered_rows_at_every_layer_become_one_each(tmp_path: Path) -> None:
    samples = brought(tmp_path, write(tmp_path, *CELLS))
    zero = samples[samples["strength"] == 0]
    assert len(zero) == 3
    assert set(zero["layer"]) == {-1}
    assert set(zero["layers"]) == {""}
    assert len(samples) == 3 + 2 * 2 * 3
    assert set(samples["engine"]) == {"imported"}
    assert effects(samples, draws=50)["delta"].tolist() == [4.0, 4.0]


def test_the_manifest_says_what_was_read_and_how(tmp_path: Path) -> None:
    brought(tmp_path, write(tmp_path, *CELLS), "--scale", "relative", "--split", "select")
    manifest = RunFolder(tmp_path / "run").manifest()
    assert manifest.status == "finished"
    assert manifest.settings["constants"] == {"scale": "relative", "split": "select"}
    assert manifest.sources is not None
    assert manifest.sources[0].file == "r.csv"
    assert len(manifest.sources[0].sha256) == 64
    (behavior,) = manifest.behaviors
    assert (behavior.name, behavior.is_choice, behavior.scoring) == ("b", True, "choice")
    assert (behavior.n_select, behavior.n_test, behavior.n_train) == (3, 0, None)
    assert manifest.vectors == ()


def test_without_facts_the_largest_layer_is_the_last_and_that_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    samples = brought(tmp_path, write(tmp_path, *CELLS))
    assert set(samples[samples["layer"] == 5]["depth"]) == {1.0}
    assert "m (6)" in told(tmp_path)[0]
    assert "number of layers is not given" in capsys.readouterr().err


def test_facts_and_groups_of_models_come_from_a_file(tmp_path: Path) -> None:
    models = tmp_path / "models.yaml"
    models.write_text("- {name: m, layers: 12, heads: 8, parameters: 8.2B, groups: {training: distilled}}\n")
    samples = brought(tmp_path, write(tmp_path, *CELLS), "--models", str(models))
    assert set(samples[samples["layer"] == 5]["depth"]) == {0.5}
    entry = RunFolder(tmp_path / "run").manifest().models[0]
    assert entry.facts.model_dump(exclude_unset=True) == {
        "layers": 12,
        "heads": 8,
        "parameters": 8_200_000_000,
        "active_parameters": 8_200_000_000,
    }
    assert entry.groups == {"training": "distilled"}
    assert told(tmp_path) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- {name: m, layers: 4}\n", "r.csv:11: layer 5, but m has layers 0 to 3"),
        ("- {name: m, layrs: 4}\n", "models.yaml:1: unknown key 'layrs'; did you mean 'layers'?"),
        ("- {name: m}\n", "layers is missing"),
        ("- {name: m, layers: 9}\n- {name: m, layers: 9}\n", "listed twice"),
        ("name: m\n", "a file of models is a list"),
        ("- [\n", "not YAML"),
        ("", "a file of models is a list"),
    ],
)
def test_a_file_of_models_that_cannot_be(tmp_path: Path, refusal, text: str, words: str) -> None:
    (tmp_path / "models.yaml").write_text(text)
    assert words in refusal(write(tmp_path, *CELLS), "--models", str(tmp_path / "models.yaml"))


def test_names_stay_text_and_constants_fill_absent_columns(tmp_path: Path) -> None:
    file = write(tmp_path, "5,1,007,1.5", "5,-1,007,0.5", header="layer,strength,question id,score")
    samples = brought(tmp_path, file, "--map", "prompt_id=question id", "--model", "m", "--behavior", "b")
    assert set(samples["prompt_id"]) == {"007"}
    assert set(samples["model"]) == {"m"}


@pytest.mark.parametrize("label", ["A", "(A)", '" (A)"', "A."])
def test_labels_in_their_usual_spellings(tmp_path: Path, label: str) -> None:
    file = write(
        tmp_path, f"m,b,5,1,p1,{label},-1.0,-3.0", header="model,behavior,layer,strength,prompt_id,answer,a,b_"
    )
    samples = brought(tmp_path, file, "--map", "label=answer,A=a,B=b_")
    assert samples["score"].tolist() == [2.0]
    assert samples["label"].tolist() == ["A"]


def test_a_score_is_the_matching_letter_minus_the_other(tmp_path: Path) -> None:
    file = write(
        tmp_path, "m,b,5,1,p1,(A),-1,-3", "m,b,5,1,p2,(B),-1,-3", "m,b,5,1,p3,(C),-1,-3",
        header="model,behavior,layer,strength,prompt_id,label,A,B",
    )  # fmt: skip
    samples = brought(tmp_path, file, "--labels", "C=B")
    assert samples["score"].tolist() == [2.0, -2.0, -2.0]
    assert any("1 rows with label 'C' count as 'B'" in text for text in told(tmp_path))


def test_a_label_without_a_column_is_reported_by_row(tmp_path: Path, refusal) -> None:
    file = write(
        tmp_path, "m,b,5,1,p1,(A),-1,-3", "m,b,5,1,p2,(C),-1,-3",
        header="model,behavior,layer,strength,prompt_id,label,A,B",
    )  # fmt: skip
    assert "r.csv:3: label 'C' has no column (those with one: A, B)" in refusal(file)


def test_a_score_from_two_columns(tmp_path: Path) -> None:
    file = write(tmp_path, "m,b,5,1,p1,-1,-3", header="model,behavior,layer,strength,prompt_id,yes,no")
    assert brought(tmp_path, file, "--map", "positive=yes,negative=no")["score"].tolist() == [2.0]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("m,b,five,1,p9,1", "r.csv:3: layer 'five' is not a number"),
        ("m,b,2.5,1,p9,1", "r.csv:3: layer 2.5 is not a whole number"),
        ("m,b,-2,1,p9,1", "r.csv:3: layer -2 is not a whole number"),
        ("m,b,,1,p9,1", "r.csv:3: layer nan is not a whole number"),
        ("m,b,1e300,1,p9,1", "r.csv:3: layer 1e+300 is not a whole number"),
        ("m,b,5,inf,p9,1", "r.csv:3: strength inf is not a finite number"),
        ("m,b,5,,p9,1", "r.csv:3: strength nan is not a finite number"),
        (",b,5,1,p9,1", "r.csv:3: model is empty"),
        ("m, ,5,1,p9,1", "r.csv:3: behavior is empty"),
        ("m,b,5,1,,1", "r.csv:3: prompt_id is empty"),
        ("m,b,5,1,p9,high", "r.csv:3: score 'high' is not a number"),
        ("m,b,5,1,p1,1", "r.csv:3: an earlier row has the same cell and prompt: m, b, layer 5, strength 1, p1"),
        ("m,b,5,1,p9", "r.csv:3: 5 fields, but the header has 6"),
        ('m,b,5,1,"p9,1', "r.csv:3: cannot be read as CSV"),
    ],
)
def test_what_a_row_cannot_say(tmp_path: Path, refusal, row: str, words: str) -> None:
    assert words in refusal(write(tmp_path, "m,b,5,1,p1,1", row))


def test_everything_is_told_at_once_the_first_ten_and_a_count(tmp_path: Path, refusal) -> None:
    errors = refusal(write(tmp_path, *(f"m,b,-7,nan,p{i},1" for i in range(20))))
    assert len(errors.splitlines()) == 11
    assert "r.csv:2: layer -7" in errors
    assert "r.csv:2: strength nan" in errors
    assert "… and 30 more" in errors


def test_rows_are_lines_of_the_file_also_behind_line_breaks_in_cells(tmp_path: Path, refusal) -> None:
    errors = refusal(write(tmp_path, 'm,b,5,1,"p\none",1', "", "m,b,x,1,p2,1"))
    assert "r.csv:5: layer 'x'" in errors


def test_missing_columns_are_named_with_the_nearest(tmp_path: Path, refusal) -> None:
    errors = refusal(write(tmp_path, "m,b,5,1,0,1", header="model,concept,layer,strength,prompt_idx,value"))
    assert "no column for prompt_id; name one with --map prompt_id=…; nearest is 'prompt_idx'" in errors
    assert "no column for behavior" in errors
    assert "no score; name one with" in errors
    assert "the columns are model, concept, layer" in errors


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--map", "prompt_id"], "target=column"),
        (["--map", "prompt=score"], "unknown target 'prompt'; did you mean 'prompt_id'?"),
        (["--map", "score=score,score=layer"], "score is mapped twice"),
        (["--map", "score=scores"], "no column 'scores' (for score); nearest is 'score'"),
        (["--map", "positive=score"], "no column for negative"),
        (["--map", "score=score,A=layer,B=layer"], "the score is mapped twice, by score and by letters"),
        (["--map", "A=layer,B=layer,C=layer"], "needs two letter columns, not 3"),
        (["--map", "model=model", "--model", "x"], "model is given both"),
        (["--scale", "relativ"], "did you mean 'relative'?"),
        (["--split", "train"], "split 'train' is unknown; the values are select, test"),
        (["--rates-strength", "2"], "--rates-strength would do nothing"),
    ],
)
def test_options_that_cannot_be(tmp_path: Path, refusal, options: list[str], words: str) -> None:
    assert words in refusal(write(tmp_path, *CELLS), *options)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("r.csv", b"", "the file is empty"),
        ("r.csv", HEADER.encode() + b"\n", "the table has no rows"),
        ("r.csv", b"PAR1\0\0\1\2", "binary file"),
        ("r.csv", HEADER.encode() + b"\nm,caf\xe9,5,1,p,1\n", "r.csv:2: is not UTF-8"),
        ("r.csv", b"score,score\n1,2\n", "two columns have the name 'score'"),
        ("r.csv", HEADER.encode() + b"\n" + b"x" * 200_000 + b"\n", "cannot be read as CSV"),
        ("r.parquet", b"PAR1 not really", "not a Parquet file"),
        ("r.xlsx", b"PK", "a table is a .csv, .tsv or .parquet file, not .xlsx"),
        ("r", b"a", "not one without a suffix"),
    ],
)
def test_files_that_are_no_table(tmp_path: Path, refusal, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert words in refusal(tmp_path / name)


def test_a_missing_file_and_a_folder_are_told(tmp_path: Path, refusal) -> None:
    assert "none.csv: no such table" in refusal(tmp_path / "none.csv")
    (tmp_path / "f.csv").mkdir()
    assert "this is a folder" in refusal(tmp_path / "f.csv")


def test_too_large_a_file_is_refused_before_it_is_read(
    tmp_path: Path, refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trimtab.importing._table_files.MAX_CSV_BYTES", 10)
    assert "or as Parquet" in refusal(write(tmp_path, *CELLS))


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path, refusal) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("mine")
    assert "exists" in refusal(write(tmp_path, *CELLS))


def test_semicolons_tabs_and_byte_order_marks_are_read(tmp_path: Path) -> None:
    file = tmp_path / "r.csv"
    file.write_text("\ufeff" + HEADER.replace(",", ";") + "\nm;b;5;1;p1;1.5\n", encoding="utf-8")
    assert brought(tmp_path, file)["score"].tolist() == [1.5]


def test_parquet_keeps_its_numbers(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"model": "m", "behavior": "b", "layer": np.int16(5), "prompt_id": [1.0, 2.0], "score": [1.0, np.nan],
         "strength": np.array([0.1, 0.1], dtype=np.float32)}
    )  # fmt: skip
    table.to_parquet(tmp_path / "r.parquet")
    samples = brought(tmp_path, tmp_path / "r.parquet")
    assert samples["strength"].tolist() == [0.1, 0.1]
    assert samples["prompt_id"].tolist() == ["1", "2"]


def test_scores_that_are_not_numbers_are_kept_and_counted(tmp_path: Path) -> None:
    samples = brought(tmp_path, write(tmp_path, *CELLS, "m,b,3,1,p9,nan", "m,b,3,-1,p9,"))
    assert samples["score"].isna().sum() == 2
    assert any("2 of 17 scores are not numbers" in text for text in told(tmp_path))


def test_unsteered_scores_that_differ_are_told_and_the_first_kept(tmp_path: Path) -> None:
    samples = brought(tmp_path, write(tmp_path, "m,b,3,0,p1,1", "m,b,5,0,p1,1.5", "m,b,5,1,p1,2"))
    assert samples[samples["strength"] == 0]["score"].tolist() == [1.0]
    assert any("by up to 0.5" in text for text in told(tmp_path))


def test_unsteered_rows_need_no_layer(tmp_path: Path) -> None:
    samples = brought(tmp_path, write(tmp_path, "m,b,,0,p1,1", "m,b,-1,0,p2,1", "m,b,5,1,p1,2"))
    assert (samples["strength"] == 0).sum() == 2


def test_layer_sets_are_kept_and_checked(tmp_path: Path, refusal) -> None:
    header = f"{HEADER},layers"
    assert "layers '10+9' is not a set" in refusal(write(tmp_path, "m,b,9,1,p1,1,10+9", header=header))
    samples = brought(tmp_path, write(tmp_path, "m,b,9,1,p1,1,9+10", header=header))
    assert samples["layers"].tolist() == ["9+10"]


def test_a_layer_has_one_depth(tmp_path: Path, refusal) -> None:
    file = write(tmp_path, "m,b,9,1,p1,1,0.5", "m,b,9,-1,p1,1,0.4", header=f"{HEADER},depth")
    assert "r.csv:3: depth 0.4, but layer 9 has depth 0.5 on a row above" in refusal(file)


RATES = "model,behavior,layer,minus,zero,plus,valid"


def test_rates_side_by_side_become_rows(tmp_path: Path) -> None:
    rates = write(tmp_path, "m,b,3,0.1,0.5,0.9,0.8", header=RATES, name="rates.csv")
    options = ("--rates-map", "rate_minus=minus,rate_zero=zero,rate_plus=plus,validity=valid")
    brought(tmp_path, write(tmp_path, *CELLS), "--rates", str(rates), *options)
    table = RunFolder(tmp_path / "run").table("rates")
    assert table is not None
    assert table["strength"].tolist() == [-1.0, 0.0, 1.0]
    assert table["rate"].tolist() == [0.1, 0.5, 0.9]
    assert set(table["depth"]) == {4 / 6}
    assert set(table["validity"]) == {0.8}


@pytest.mark.parametrize(
    ("header", "row", "words"),
    [
        ("model,behavior,layer,strength,rate", "m,b,3,1,64", "rates.csv:2: rate 64 is not a share from 0 to 1"),
        ("model,behavior,layer,strength,rate", "m,b,x,1,0.5", "rates.csv:2: layer 'x' is not a number"),
        ("model,behavior,layer,strength,rate", "m,b,inf,1,0.5", "rates.csv:2: layer inf"),
        ("model,behavior,layer,strength,rate", "m,b,30,1,0.5", "m has layers 0 to 5"),
        ("model,behavior,layer,strength", "m,b,3,1", "no column for rate"),
        ("model,behavior,layer,rate_plus", "m,b,3,1", "no column for rate_minus"),
    ],
)
def test_rates_that_cannot_be(tmp_path: Path, refusal, header: str, row: str, words: str) -> None:
    rates = write(tmp_path, row, header=header, name="rates.csv")
    assert words in refusal(write(tmp_path, *CELLS), "--rates", str(rates))


def test_an_imported_run_is_not_gone_on_with_by_a_study(tmp_path: Path) -> None:
    from trimtab.errors import RunError

    brought(tmp_path, write(tmp_path, *CELLS))
    with pytest.raises(RunError, match="other settings"):
        RunFolder.open(tmp_path / "run", "a study")


def test_an_imported_run_can_be_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    samples = brought(tmp_path, write(tmp_path, *CELLS))
    assert main(["report", str(tmp_path / "run"), "-o", str(tmp_path / "page.html")]) == 0
    assert "report:" in capsys.readouterr().out
    assert len(best_cells(effects(samples, draws=50))) == 1
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["name"] == "run"


def test_the_report_divides_by_what_is_asked_and_shows_the_rates(tmp_path: Path) -> None:
    cells = [f"m,b,{layer},{s},p{p},{s * p + p % 3}" for layer in (2, 3, 5) for s in (-1, 0, 1) for p in range(8)]
    rates = write(
        tmp_path, "m,b,2,0.4,0.5,0.6", "m,b,3,0.1,0.5,0.9", "m,b,5,0.3,0.5,0.5",
        header="model,behavior,layer,rate_minus,rate_zero,rate_plus", name="rates.csv",
    )  # fmt: skip
    samples = brought(tmp_path, write(tmp_path, *cells), "--rates", str(rates))
    out = tmp_path / "page" / "report.html"
    assert main(["report", str(tmp_path / "run"), "-o", str(out), "--denominator", "negative"]) == 0
    told = pd.read_csv(out.parent / "best.csv")
    wanted = best_cells(effects(samples, denominator="negative"))
    assert told["glass"].tolist() == pytest.approx(wanted["glass"].tolist())
    assert told["glass"].tolist() != pytest.approx(wanted["glass_unsteered"].tolist())
    assert len(pd.read_csv(out.parent / "tables" / "answers.csv")) == 1
    assert main(["report", str(tmp_path / "run"), "--denominator", "mean"]) == 2


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("m,b,5,1e19,p9,1", "r.csv:3: strength 1e+19 is not from"),
        ("m,b,5,1,p9,1e300", "r.csv:3: score 1e+300"),
        ("m,b,99999999999,1,p9,1", "r.csv:3: layer"),
    ],
)
def test_numbers_that_no_model_computes_are_refused_by_row(tmp_path: Path, refusal, row: str, words: str) -> None:
    assert words in refusal(write(tmp_path, CELLS[0], row))


def test_a_parquet_table_that_unpacks_to_too_much_is_refused_before_it_is_read(tmp_path: Path, refusal) -> None:
    one = pa.nulls(30_000_000, pa.int8()).fill_null(0)
    text = pa.DictionaryArray.from_arrays(one, pa.array(["m"]))
    pq.write_table(pa.table({"model": text, "score": one}), tmp_path / "r.parquet")
    assert (tmp_path / "r.parquet").stat().st_size < 1 << 20
    assert "r.parquet: unpacks to 60,000,000 cells" in refusal(tmp_path / "r.parquet")


def test_a_table_of_lines_ends_early(tmp_path: Path, refusal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_table_files, "MAX_CSV_ROWS", 1000)
    (tmp_path / "r.csv").write_text("score\n" + "1\n" * 5000)
    assert "has more than 1,000 rows" in refusal(tmp_path / "r.csv")
    (tmp_path / "r.csv").write_text("score\n" + "1,2\n" * 5000)
    assert "and 4990 more" in refusal(tmp_path / "r.csv")


def test_a_pipe_is_not_waited_for(tmp_path: Path, refusal) -> None:
    os.mkfifo(tmp_path / "r.csv")
    assert "this is a named pipe" in refusal(tmp_path / "r.csv")


def test_columns_of_lists_are_no_matter_unless_they_are_asked_for(tmp_path: Path, refusal) -> None:
    table = pd.read_csv(write(tmp_path, *CELLS))
    table["tokens"] = [[1, 2]] * len(table)
    table.to_parquet(tmp_path / "r.parquet")
    assert "tokens holds several values a row" in refusal(tmp_path / "r.parquet", "--map", "score=tokens")
    assert len(brought(tmp_path, tmp_path / "r.parquet")) == 3 + 2 * 2 * 3
