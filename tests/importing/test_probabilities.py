"""Tables of probabilities and conditions: imported as they are, or refused with the row that cannot be."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest

from trimtab.analysis.imported import ITEMS, NO_COLUMN
from trimtab.cli.main import main
from trimtab.store.cached_tables import read_cached_tables
from trimtab.study import RunFolder
from trimtab.study.reporting import read_run

MAP = "label=matching,strength=multiplier,condition=system_prompt,A=a_prob,B=b_prob,prompt_id=item"
HEADER = "model,behavior,layer,multiplier,system_prompt,item,matching,a_prob,b_prob"
ROWS = [
    f"m,b,{layer},{multiplier},{prompt},{item},{'AB'[item % 2]},{0.5 + 0.2 * multiplier},{0.4 - 0.2 * multiplier}"
    for prompt, layers in (("none", (3, 5)), ("pos", (5,)))
    for layer in layers
    for multiplier in (-1, 0, 1)
    for item in range(4)
]


def table(tmp_path: Path, *rows: str, header: str = HEADER) -> Path:
    file = tmp_path / "r.csv"
    file.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return file


def run_import(file: Path, *options: str, mapping: str = MAP) -> int:
    return main(["import", str(file), "-o", str(file.parent / "run"), "--map", mapping, *options])


def items(tmp_path: Path) -> pd.DataFrame:
    found = read_cached_tables(RunFolder(tmp_path / "run"), "imported", "items")
    assert found is not None
    return found


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    def of(file: Path, *options: str, mapping: str = MAP) -> str:
        assert run_import(file, *options, mapping=mapping) == 2
        assert not (tmp_path / "run").exists(), "nothing is written"
        text = capsys.readouterr().err
        assert "Traceback" not in text
        return text

    return of


def test_scores_are_log_odds_and_items_hold_the_probabilities(tmp_path: Path) -> None:
    assert run_import(table(tmp_path, *ROWS), "--values", "probabilities") == 0
    samples = RunFolder(tmp_path / "run").samples()
    row = samples[(samples["layers"] == "5") & (samples["strength"] == 1) & (samples["prompt_id"] == "1")].iloc[0]
    assert row["score"] == pytest.approx(math.log(0.2) - math.log(0.7))
    one = items(tmp_path)
    assert list(one) == list(ITEMS)
    mine = one[(one["layers"] == "5") & (one["strength"] == 1) & (one["prompt_id"] == "1") & one["plain"]].iloc[0]
    assert (mine["p_first"], mine["p_second"], mine["matching"]) == (pytest.approx(0.7), pytest.approx(0.2), "B")
    assert mine["share"] == pytest.approx(0.2 / 0.9)


def test_only_the_plain_condition_is_swept_and_all_are_items(tmp_path: Path, capsys) -> None:
    assert run_import(table(tmp_path, *ROWS), "--values", "probabilities") == 0
    assert "32 scores of 1 model, 1 behavior, 2 conditions and 4 prompts" in capsys.readouterr().out
    samples, all_items = RunFolder(tmp_path / "run").samples(), items(tmp_path)
    assert len(samples) == 4 + 2 * 2 * 4
    assert all_items.groupby("condition").size().to_dict() == {"none": 20, "pos": 12}
    assert set(all_items.loc[all_items["plain"], "condition"]) == {"none"}


def test_another_plain_condition_is_named(tmp_path: Path) -> None:
    assert run_import(table(tmp_path, *ROWS), "--values", "probabilities", "--plain", "pos") == 0
    assert len(RunFolder(tmp_path / "run").samples()) == 12


def test_conditions_without_a_plain_one_are_asked_for(tmp_path: Path, refused) -> None:
    rows = [row.replace(",none,", ",no system prompt,") for row in ROWS]
    text = refused(table(tmp_path, *rows), "--values", "probabilities")
    assert "'no system prompt' and 'pos'" in text
    assert "--plain" in text
    assert (
        "did you mean 'pos'" in refused(table(tmp_path, *ROWS), "--values", "probabilities", "--plain", "poss").lower()
    )


def test_a_plain_condition_without_conditions_is_refused(tmp_path: Path, refused) -> None:
    rows = [row for row in ROWS if ",none," in row]
    mapping = MAP.replace("condition=system_prompt,", "")
    assert "there are no conditions" in refused(
        table(tmp_path, *rows), "--values", "probabilities", "--plain", "none", mapping=mapping
    )


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("m,b,3,1,none,9,A,43.2,55.1", "r.csv:38: a_prob 43.2 is not a probability from 0 to 1; divide percentages by"),
        ("m,b,3,1,none,9,A,-0.1,0.5", "r.csv:38: a_prob -0.1 is not a probability from 0 to 1\n"),
        ("m,b,3,1,none,9,A,0.7,0.6", "r.csv:38: a_prob 0.7 and b_prob 0.6 sum to 1.3, more than 1"),
        ("m,b,3,1,none,9,A,inf,0.6", "r.csv:38: a_prob inf is not a probability"),
        ("m,b,3,1,none,9,A,43%,0.6", "r.csv:38: a_prob '43%' is not a number"),
        ("m,b,3,one,none,9,A,0.4,0.5", "r.csv:38: multiplier 'one' is not a number"),
        ("m,b,3,1,,9,A,0.4,0.5", "r.csv:38: system_prompt is empty"),
        ("m,b,3,1,none,9,C,0.4,0.5", "store them without a score with --labels C=none"),
        (
            ROWS[-1],
            "r.csv:38: an earlier row has the same cell and prompt: m, b, layer 5, strength 1, 3, condition pos",
        ),
    ],
    ids=["percent", "negative", "above 1", "infinite", "percent sign", "words", "no condition", "label", "twice"],
)
def test_what_no_row_can_be(tmp_path: Path, refused, row: str, words: str) -> None:
    assert words in refused(table(tmp_path, *ROWS, row), "--values", "probabilities")


def test_rows_that_a_column_tells_apart_ask_for_it(tmp_path: Path, refused) -> None:
    mapping = MAP.replace("condition=system_prompt,", "")
    assert "name it with --map condition=" in refused(
        table(tmp_path, *ROWS), "--values", "probabilities", mapping=mapping
    )


def test_probabilities_are_never_taken_for_logits(tmp_path: Path, refused) -> None:
    assert "say --values probabilities" in refused(table(tmp_path, *ROWS))
    percent = [",".join([*row.split(",")[:-2], *(f"{100 * float(p):g}" for p in row.split(",")[-2:])]) for row in ROWS]
    text = refused(table(tmp_path, *percent))
    assert "between 0 and 100" in text
    assert "a_prob and b_prob" in text
    assert run_import(table(tmp_path, *ROWS), "--values", "logits") == 0
    samples = RunFolder(tmp_path / "run").samples()
    assert samples["score"].abs().max() == pytest.approx(0.5)


def test_what_one_score_is_cannot_be_stated_of_two(tmp_path: Path, refused) -> None:
    file = table(tmp_path, "m,b,3,1,q,0.5", header="model,behavior,layer,strength,prompt_id,score")
    assert "is about two columns" in refused(file, "--values", "probabilities", mapping="score=score")


def test_what_cannot_be_scored_is_stored_counted_and_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells = [("none", 3, s) for s in (-1, 0, 1)]
    rows = [
        f"m,b,{layer},{s},{prompt},{item},{label},{p}"
        for prompt, layer, s in cells
        for item, label, p in (
            ("q0", "A", "0.5,0.4"), ("q1", "B", "0.5,0.4"), ("q2", "(C)", "0.5,0.4"), ("q3", "A", ","),
            ("q4", "A", "nan,0.4"), ("q5", "A", "0,0"), ("q6", "A", "0,0.4"),
        )
    ]  # fmt: skip
    assert run_import(table(tmp_path, *rows), "--values", "probabilities", "--labels", "C=none") == 0
    warned = capsys.readouterr().err
    why = {
        "q2": NO_COLUMN, "q3": "both probabilities are missing", "q4": "a probability is missing",
        "q5": "both probabilities are 0", "q6": "a probability is 0",
    }  # fmt: skip
    found = items(tmp_path)
    assert len(found) == len(rows)
    assert found.groupby("prompt_id")["unscored"].first().loc[list(why)].to_dict() == why
    for prompt, reason in why.items():
        assert f"1 of 7 prompts cannot be scored in 3 rows, because {reason}: {prompt}" in warned
    assert found.loc[found["prompt_id"] == "q6", "share"].tolist() == [0.0] * 3
    assert found.loc[found["prompt_id"].isin(["q2", "q3", "q4", "q5"]), "share"].isna().all()
    assert RunFolder(tmp_path / "run").samples()["score"].notna().sum() == 6


def test_an_imported_run_holds_its_items_when_it_is_read(tmp_path: Path) -> None:
    assert run_import(table(tmp_path, *ROWS), "--values", "probabilities") == 0
    run = read_run(tmp_path / "run")
    assert len(run.of("imported")["items"]) == 32
    assert run.manifest["settings"]["values"] == "probabilities"


def test_tables_without_either_have_no_items(tmp_path: Path) -> None:
    rows = [f"m,b,3,{s},q{i},{i + s}" for s in (-1, 0, 1) for i in range(3)]
    file = table(tmp_path, *rows, header="model,behavior,layer,strength,prompt_id,score")
    assert run_import(file, mapping="score=score") == 0
    assert read_run(tmp_path / "run").of("imported") == {}
