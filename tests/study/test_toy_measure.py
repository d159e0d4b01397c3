"""A measure from outside the package: in plan, run folder, report and command line without a change to trimtab."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import pandas as pd
import pytest
from pydantic import Field

from run_folders import manifest
from study.conftest import Run
from trimtab.analysis import Finding, subject_first
from trimtab.analysis import Subject as About
from trimtab.cli.main import main
from trimtab.cli.output import tell
from trimtab.errors import RunError, SettingError
from trimtab.evaluation import shown_rows, sweep_batches
from trimtab.report import MEASURE_REPORTS, MeasureReport, ReportContext, RunTables, Section
from trimtab.report.tables import table as report_table
from trimtab.report.tables import word
from trimtab.store.table_schemas import TABLES, Column, Table
from trimtab.study import RunFolder, Written, make_study, plan_study, reopened
from trimtab.study.measures.base import Measure, Subject, Unit
from trimtab.study.measures.registry import MEASURES
from trimtab.study.measures.settings import MeasureSettings
from trimtab.study.measures.work import ScoreRows
from trimtab.study.settings.identity import ADDS, SHAPES

if TYPE_CHECKING:
    from trimtab.study.measures.context import Context

SUMMARY = "Measure the effect on prompts that begin with a courtesy."


class Courtesy(MeasureSettings):
    """Measure the effect on prompts that begin with a courtesy."""

    prompts: Annotated[int, ADDS] = Field(default=4, ge=1)
    """How many of the test prompts."""
    phrase: Annotated[str, ADDS] = "Please."
    """The courtesy that each prompt begins with."""


class CourtesyMeasure(Measure[Courtesy]):
    name = "courtesy"
    settings = Courtesy
    tables = {  # noqa: RUF012
        "scores": Table(
            {
                "model": Column("text"),
                "behavior": Column("text"),
                "prompt_id": Column("text"),
                "strength": Column("number"),
                "score": Column("number", optional=True),
            },
            "one score of a prompt with a courtesy",
            ("model", "behavior", "prompt_id", "strength"),
        )
    }

    def units(self, settings: Courtesy, subject: Subject) -> Iterator[Unit]:
        test = subject.parts[2]
        pairs = tuple(
            replace(pair, prompt=f"{settings.phrase} {pair.prompt}") for pair in test.pairs[: settings.prompts]
        )
        asked = replace(test, pairs=pairs)
        rows = shown_rows([("test", asked)], subject.scoring, subject.study.balance, subject.study.seed)
        (setting, *_) = subject.chosen()

        def compute(context: Context) -> pd.DataFrame:
            batches = sweep_batches(context.model, context.vector, rows, setting.grid, subject.scoring, subject.name)
            samples = pd.concat([frame for _, frame in batches])
            table: pd.DataFrame = samples[list(self.tables["scores"].schema)]
            return table

        yield Unit(
            table="scores",
            work=(ScoreRows(rows, subject.scoring, setting.grid),),
            compute=compute,
            grid=setting.grid,
            shaped_by=(asked.hash,),
        )


COURTESY = CourtesyMeasure()
STORED = {"name": "courtesy/scores--m--b", "model": "m", "behavior": "b", "digest": "d"}


@dataclass(frozen=True)
class CourtesyResults:
    scores: pd.DataFrame
    findings: tuple[Finding, ...]


@subject_first
def mean_score(values: Mapping[str, Any]) -> str:
    return f"with a courtesy the mean score is {values['score']:.2f}."


class CourtesyReport(MeasureReport[CourtesyResults]):
    name = "courtesy"
    tables = ("scores",)

    def results(self, context: ReportContext) -> CourtesyResults | None:
        found = context.by_run(self.name, self._analysed)
        return None if found is None else CourtesyResults(found[0]["scores"], found[1])

    def _analysed(
        self, _run: RunTables, tables: Mapping[str, pd.DataFrame]
    ) -> tuple[dict[str, pd.DataFrame], list[Finding]]:
        scores = tables["scores"]
        values = {"score": float(scores["score"].mean())}
        return {"scores": scores}, [Finding("effect", mean_score, values, (About("permissive"),), "courtesy")]

    def findings(self, results: CourtesyResults) -> Sequence[Finding]:
        return results.findings

    def sections(self, results: CourtesyResults) -> list[Section]:
        rows = [{"prompt_id": prompt} for prompt in results.scores["prompt_id"]]
        return [
            Section("courtesy", "Courtesy", "Scores with a courtesy.", tables=[report_table("Scores", COLUMNS, rows)])
        ]


COLUMNS = [word("prompt_id", "prompt")]


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    with (
        MEASURES.temporarily("courtesy", CourtesyMeasure(), SUMMARY),
        MEASURE_REPORTS.temporarily("courtesy", CourtesyReport(), "Scores with a courtesy."),
    ):
        yield


@contextmanager
def without_left_over(table: str) -> Iterator[None]:
    """Unregister a table that a measure of one test registered."""
    try:
        yield
    finally:
        TABLES._entries.pop(table, None)


def settings(**measures: object) -> dict[str, object]:
    return {
        "name": "toy",
        "models": [{"id": "smollm2-135m", "dtype": "float32", "facts": {"layers": 4, "width": 8, "parameters": 100}}],
        "behaviors": [{"source": "permissive", "limit": 16}],
        "layers": "1,2",
        "strengths": [-0.4, 0.4],
        "scale": "relative",
        **measures,
    }


def table(folder: Path) -> pd.DataFrame:
    (file,) = (folder / "courtesy").glob("scores--*.parquet")
    found = RunFolder(folder).table(f"courtesy/{file.stem}")
    assert found is not None
    return found


def test_it_has_a_key_in_the_study_file_with_its_own_settings() -> None:
    study = make_study(settings(courtesy={"prompts": 2}))
    assert study.measures == {"courtesy": Courtesy(prompts=2)}
    assert make_study(settings(courtesy=True)).measures == {"courtesy": Courtesy()}
    assert make_study(settings(courtesy=False)).measures == {}
    assert study.identity(["h"]) == make_study(settings()).identity(["h"])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"courtesy": {"prompt": 2}}, "unknown key 'prompt'; did you mean 'prompts'?"),
        ({"courtesy": {"prompts": 0}}, "courtesy.prompts"),
        ({"courtesy": {"behaviors": ["nothing"]}}, "courtesy: no behavior of this study is called 'nothing'"),
        ({"courtesy": True, "sweep": False}, "courtesy needs the sweep"),
        ({"courtesi": True}, "did you mean 'courtesy'?"),
    ],
)
def test_what_is_wrong_with_its_settings_is_named_like_any_other(content: dict[str, object], words: str) -> None:
    with pytest.raises(SettingError) as caught:
        make_study(settings(**content))
    assert words in str(caught.value)


def test_a_study_with_it_travels_to_other_processes() -> None:
    study = make_study(settings(courtesy={"prompts": 2}))
    assert pickle.loads(pickle.dumps(study)) == study


def test_its_work_is_in_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trimtab.study.plan._estimates.hub_answers", lambda: False)
    nobody = {"models": [{"id": "nobody/nothing", "facts": {"layers": 4, "width": 8, "parameters": 100}}]}
    plan = plan_study(make_study(settings(courtesy={"prompts": 2}) | nobody), "h100")
    (check,) = plan.steps[0].checks
    assert (check.what, check.scored) == ("courtesy", 2 * (1 + 2))
    assert "    courtesy: 6 scores, " in plan.text()
    plain = plan_study(make_study(settings() | nobody), "h100")
    assert plan.models[0].tokens == plain.models[0].tokens + check.tokens


def test_its_table_is_in_the_run_folder_and_computed_once(run: Run, tmp_path: Path) -> None:
    folder = run(settings(courtesy={"prompts": 2}), tmp_path / "run")
    scores = table(folder)
    assert set(scores["strength"]) == {-0.4, 0.0, 0.4}
    assert scores["prompt_id"].nunique() == 2
    before = {file: file.stat().st_mtime_ns for file in folder.rglob("*.parquet")}
    run(settings(courtesy={"prompts": 2}), folder)
    assert {file: file.stat().st_mtime_ns for file in folder.rglob("*.parquet")} == before
    run(settings(courtesy={"prompts": 2, "phrase": "Kindly."}), folder)
    assert (table(folder)["score"] != scores["score"]).any()


def test_it_can_be_added_to_a_finished_run(run: Run, tmp_path: Path) -> None:
    folder = run(settings(), tmp_path / "run")
    study, _ = reopened(folder, {"courtesy": {"prompts": 3}})
    run(study.model_dump(mode="json"), folder)
    assert table(folder)["prompt_id"].nunique() == 3


def test_the_command_line_lists_it_and_has_an_option_for_each_setting(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--help"]) == 0
    assert "courtesy" in capsys.readouterr().out
    assert main(["courtesy", "--help"]) == 0
    text = capsys.readouterr().out
    for words in ("--prompts N", "[default: 4]", "--phrase TEXT", "The courtesy that each prompt begins with."):
        assert words in text
    folder = run(settings(), tmp_path / "run")
    assert main(["courtesy", str(folder), "--prompts", "1", "-q"]) == 0
    assert "permissive: with a courtesy the mean score is " in capsys.readouterr().out
    assert 'id="courtesy"' in (folder / "report.html").read_text(encoding="utf-8")
    assert table(folder)["prompt_id"].nunique() == 1


def test_tables_are_computed_again_for_a_setting_that_shapes_them(run: Run, tmp_path: Path) -> None:
    class Shaped(Courtesy):
        seed: Annotated[int, SHAPES] = 0

    class ShapedMeasure(CourtesyMeasure):
        name = "shaped"
        settings = Shaped

    def digest(**shaped: object) -> str:
        folder = run(settings(shaped={"prompts": 1, **shaped}), tmp_path / "run")
        (entry,) = RunFolder(folder).manifest().cached_tables
        return entry.digest

    with MEASURES.temporarily("shaped", ShapedMeasure(), SUMMARY), without_left_over("shaped/scores"):
        first = digest()
        assert digest() == first
        assert digest(seed=1) != first


def test_what_it_costs_is_asked_for_before_anything_is_computed(run: Run, tmp_path: Path) -> None:
    class Paid(CourtesyMeasure):
        name = "paid"

        def costs(self, settings: Courtesy, subject: Subject) -> list[str]:
            return [f"{settings.prompts} dollars"]

    asked: list[str] = []

    def refuse(cost: str) -> bool:
        asked.append(cost)
        return False

    with (
        MEASURES.temporarily("paid", Paid(), SUMMARY),
        without_left_over("paid/scores"),
        pytest.raises(RunError, match="stopped before anything was run or spent"),
    ):
        run(settings(paid={"prompts": 2}), tmp_path / "run", approve=refuse)
    assert asked == ["permissive in smollm2-135m: 2 dollars"]
    assert not (tmp_path / "run").exists()


def test_a_measure_that_no_study_could_run_is_refused() -> None:
    class Growing(CourtesyMeasure):
        name = "growing"
        grows = True

    class Bare(CourtesyMeasure):
        name = "bare"
        settings = None  # type: ignore[assignment]

    for measure in (Growing(), Bare()):
        with (
            MEASURES.temporarily(measure.name, measure, SUMMARY),
            pytest.raises(SettingError, match=f"{measure.name!r} needs settings of its own and tables that are"),
        ):
            make_study(settings())


@pytest.mark.parametrize("name", ["seed", "split", "measures"])
def test_a_measure_that_is_called_like_a_key_of_every_study_is_refused(name: str) -> None:
    named = CourtesyMeasure()
    named.name = name  # type: ignore[misc]
    with (
        MEASURES.temporarily(name, named, SUMMARY),
        pytest.raises(SettingError, match=f"{name!r} has the name of a key of every study"),
    ):
        make_study(settings())


def test_a_study_without_it_is_read_where_it_is_not_installed(tmp_path: Path) -> None:
    study = make_study(settings())
    assert "courtesy" not in study.model_dump(mode="json")
    file = tmp_path / "study.pickle"
    file.write_bytes(pickle.dumps(study))
    code = (
        "import pickle, sys\n"
        "from trimtab.study.settings.study_file import without_unused_measures\n"
        "assert pickle.load(open(sys.argv[1], 'rb')).name == 'toy'\n"
        "assert without_unused_measures({'courtesy': None, 'diagnosis': None}) == {'diagnosis': None}"
    )
    subprocess.run([sys.executable, "-c", code, str(file)], check=True)


def test_a_run_folder_with_its_tables_opens_where_it_is_installed_only(tmp_path: Path) -> None:
    RunFolder(tmp_path).write_manifest(manifest(cached_tables=[STORED]))
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from trimtab.errors import RunError\n"
        "from trimtab.study import RunFolder\n"
        "folder = RunFolder(Path(sys.argv[1]))\n"
        "try:\n"
        "    folder.manifest()\n"
        "except RunError as error:\n"
        "    assert 'install the package whose measure made it' in str(error), error\n"
        "else:\n"
        "    raise SystemExit('was opened')\n"
        "from trimtab.study.measures.registry import MEASURES\n"
        "MEASURES.register('courtesy', 'study.test_toy_measure:COURTESY', 'A toy.')\n"
        "assert folder.manifest().cached_tables"
    )
    paths = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, env={**os.environ, "PYTHONPATH": paths})


def test_without_a_report_the_terminal_says_where_its_tables_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = Written(tmp_path / "report.html", (), {})
    tell(page, "manners")
    assert f"manners has no report; its tables are in {tmp_path / 'manners'}" in capsys.readouterr().out
    tell(page, "courtesy")
    assert "nothing to warn of" in capsys.readouterr().out


def test_a_measure_under_another_name_than_its_own_is_refused() -> None:
    with (
        MEASURES.temporarily("manners", CourtesyMeasure(), SUMMARY),
        pytest.raises(SettingError, match="'courtesy' is registered as 'manners'"),
    ):
        MEASURES.get("manners")


def test_listing_it_imports_nothing_of_it() -> None:
    code = (
        "import sys\n"
        "from trimtab.study.measures.registry import MEASURES\n"
        "from trimtab.cli.main import VERBS\n"
        "MEASURES.register('toy', 'nowhere.at_all:TOY', 'Measure a toy.')\n"
        "assert VERBS['toy'] == 'Measure a toy.' and 'toy' in list(VERBS)\n"
        "assert not {'torch', 'pandas', 'pydantic', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
