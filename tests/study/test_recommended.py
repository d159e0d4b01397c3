"""`recommended.yaml`: written with the report of a run, read and edited by people, taken by every verb."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import pytest
import yaml

from run_folders import finished_run
from trimtab.cli.main import main
from trimtab.cli.setting.run_setting import setting_of_run
from trimtab.errors import RunError, SettingError, TrimtabWarning
from trimtab.report import RunTables
from trimtab.report.results import Results, analysed
from trimtab.report.verdict import cases, verdicts
from trimtab.study import RunFolder
from trimtab.study.recommending import recommendations as module
from trimtab.study.recommending.recommended_file import RECOMMENDED, RecommendedFile, read_recommended
from trimtab.study.reporting import read_run, report_runs
from trimtab.study.setting_to_use import setting_to_use

MODEL, BEHAVIOR = "tiny-135M", "cheerful"
SETTINGS: dict[str, Any] = {
    "name": "run", "models": [{"id": "smollm2-135m", "name": MODEL, "dtype": "float32"}],
    "behaviors": [{"source": BEHAVIOR}], "strengths": [-1.0, 1.0], "positions": "after_prompt",
    "replies": {"strengths": [-1.0, -0.5, 0.5, 1.0], "min_coherence": 6},
}  # fmt: skip
Edit = Callable[..., Path]


class Finished(NamedTuple):
    """A run that recommends a setting by replies, analysed once, with its file."""

    path: Path
    tables: RunTables
    results: Results


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = finished_run(tmp_path_factory.mktemp("runs") / "run")
    folder.write_manifest(folder.manifest().model_copy(update={"settings": SETTINGS}))
    tables = read_run(folder.path)
    results = analysed([tables])
    module.save_recommended(folder.path, tables, results)
    return Finished(folder.path, tables, results)


@pytest.fixture
def run(finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, whose tables nobody analyses again."""
    monkeypatch.setattr("trimtab.study.setting_to_use.analysed", lambda _: pytest.fail("its file says it"))
    return Path(shutil.copytree(finished.path, tmp_path / "run"))


@pytest.fixture
def edit(run: Path) -> Edit:
    """Change the entry of the file."""

    def change(**values: Any) -> Path:
        content = yaml.safe_load((run / RECOMMENDED).read_text(encoding="utf-8"))
        content["settings"][0].update(values)
        (run / RECOMMENDED).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        return run

    return change


def test_it_holds_the_setting_of_the_report_and_what_was_measured_there(finished: Finished) -> None:
    (entry,) = read_recommended(finished.path / RECOMMENDED).settings
    (verdict,) = verdicts([finished.tables], finished.results)
    assert verdict.tiles[1].value == f"layer {entry.layers[0]} at {entry.strength:+g}"
    assert (entry.scale, entry.positions, entry.first_token) == ("relative", "after_prompt", False)
    assert (entry.behavior, entry.model, entry.load.dtype) == (BEHAVIOR, MODEL, "float32")
    measured = entry.measured
    assert measured is not None
    assert (measured.chosen_by, measured.judge, measured.effect.measure) == ("replies", "classifier", "judged replies")
    assert verdict.size.startswith(f"+{measured.effect.change:.1f} [{measured.effect.low:.1f}")
    assert measured.statement == verdict.sentence
    assert measured.prompts > 0
    assert {"fluency", "on_topic", "fluency_unsteered"} <= set(measured.quality)
    assert entry.warnings
    assert not entry.edited


def test_a_person_can_read_it(finished: Finished) -> None:
    text = (finished.path / RECOMMENDED).read_text(encoding="utf-8")
    assert text.startswith("# The settings that this run recommends;")
    for line in (
        f"- behavior: {BEHAVIOR}", f"  vector: vectors/{MODEL}--{BEHAVIOR}.safetensors", "  scale: relative",
        "  positions: after_prompt",
        f"  load: {{id: smollm2-135m, name: {MODEL}, dtype: float32}}",
    ):  # fmt: skip
        assert f"\n{line}\n" in text
    assert max(map(len, text.splitlines())) <= 120


def test_what_python_gets_is_what_steer_takes(run: Path) -> None:
    use = setting_to_use(run)
    (layer,) = use.layers
    assert use.options == {
        "layer": layer, "strength": use.strength, "scale": "relative", "positions": "after_prompt",
        "first_token": False,
    }  # fmt: skip
    assert use.vectors == RunFolder(run).vector_file(MODEL, BEHAVIOR)
    assert f"layer {layer} at" in str(use)
    assert setting_to_use(run / RECOMMENDED).options == use.options


def test_a_changed_setting_is_taken_and_said_to_be_another_one(edit: Edit) -> None:
    before = setting_to_use(edit())
    run = edit(strength=0.25, layers=[3, 4], share_strength=True)
    use = setting_to_use(run)
    assert (use.strength, use.layers) == (0.25, [3, 4])
    assert use.options["layer"] == (3, 4)
    assert use.options["share_strength"] is True
    assert f"layer 3+4 instead of {before.layers[0]}, strength +0.25 instead of {before.strength:+g}" in use.edited
    for source in (run, run / RECOMMENDED):
        with pytest.warns(TrimtabWarning, match=r"recommended.yaml: the setting of cheerful .* changed by hand.*0.25"):
            assert setting_of_run(source).strength == 0.25


def test_an_unchanged_one_is_taken_without_a_word(run: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        setting_of_run(run)


def test_a_changed_setting_stays_when_the_report_is_written_again(edit: Edit, finished: Finished) -> None:
    run = edit(strength=0.25)
    (before,) = read_recommended(run / RECOMMENDED).settings
    with pytest.warns(TrimtabWarning, match="changed by hand and stays"):
        module.save_recommended(run, finished.tables, finished.results)
    (entry,) = read_recommended(run / RECOMMENDED).settings
    assert entry.strength == 0.25
    assert entry.measured == before.measured


def test_the_report_of_one_run_writes_it(run: Path, finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trimtab.study.reporting.write_report", lambda *_, **__: finished.results)
    for out, options, written in (
        (run.parent / "report.html", {}, False),
        (run / "report.html", {"denominator": "negative"}, False),
        (run / "report.html", {}, True),
    ):
        (run / RECOMMENDED).unlink(missing_ok=True)
        report_runs([run], out, **options)  # type: ignore[arg-type]
        assert (run / RECOMMENDED).exists() == written


def test_a_run_without_the_file_is_computed_from_its_tables(
    run: Path, finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_file = setting_to_use(run)
    (run / RECOMMENDED).unlink()
    monkeypatch.setattr("trimtab.study.setting_to_use.analysed", lambda _: finished.results)
    assert setting_to_use(run) == by_file


def test_nothing_is_recommended_where_nothing_is_shown_to_work(run: Path, finished: Finished) -> None:
    unshown = {name: replace(case, outcome="not shown") for name, case in _evidence(finished).items()}
    case = replace(next(iter(cases(finished.results))), scores=(), **unshown)
    with patch.object(module, "cases", lambda _: [case]):
        module.save_recommended(run, finished.tables, finished.results)
    assert read_recommended(run / RECOMMENDED).settings == ()
    with pytest.raises(RunError, match="no setting is shown to work for cheerful"):
        setting_to_use(run)


def _evidence(finished: Finished) -> dict[str, Any]:
    (case,) = cases(finished.results)
    return {"toward": case.toward, "away": case.away}


def test_a_broken_file_is_left_alone_by_the_report_and_named(run: Path, finished: Finished) -> None:
    (run / RECOMMENDED).write_text("format: [", encoding="utf-8")
    with pytest.warns(TrimtabWarning, match=r"recommended.yaml is not written: .*:1: .*correct or delete it"):
        module.save_recommended(run, finished.tables, finished.results)
    assert (run / RECOMMENDED).read_text(encoding="utf-8") == "format: ["


def test_where_the_run_has_more_by_now_it_is_computed_again(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = RunFolder(run).samples()
    RunFolder(run).append(samples[:1].assign(prompt_id="another"))
    found: list[Any] = []
    monkeypatch.setattr("trimtab.study.setting_to_use.analysed", lambda tables: found.append(tables))
    monkeypatch.setattr(
        "trimtab.study.setting_to_use.recommended_file", lambda path, *_: read_recommended(path / RECOMMENDED)
    )
    setting_to_use(run)
    assert found


def test_a_changed_setting_is_not_computed_again(edit: Edit) -> None:
    run = edit(strength=0.25)
    samples = RunFolder(run).samples()
    RunFolder(run).append(samples[:1].assign(prompt_id="another"))
    assert setting_to_use(run).strength == 0.25


@pytest.mark.parametrize(
    ("values", "line", "words"),
    [
        ({"strength": "much"}, "strength: much", "strength: "),
        ({"strength": 0}, "strength: 0", "pushes nothing"),
        ({"strength": 1e12}, "strength:", "out of range"),
        ({"layers": []}, "layers: []", "layers"),
        ({"layers": [2, 2]}, "layers:", "different layers"),
        ({"layers": [-1]}, "layers:", "counted from 0"),
        ({"scale": "relativ"}, "scale: relativ", "did you mean"),
        ({"positions": "some"}, "positions: some", "positions"),
        ({"first_token": 1}, "first_token: 1", "true or false"),
        ({"layer": 3}, "layer: 3", "unknown key 'layer'; did you mean"),
        ({"scale": "project_out", "share_strength": True}, "scale: project_out", "cannot share"),
    ],
)  # fmt: skip
def test_a_broken_file_is_an_error_with_its_line(
    edit: Edit, values: dict[str, Any], line: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = edit(**values)
    lines = (run / RECOMMENDED).read_text(encoding="utf-8").splitlines()
    number = next(n for n, text in enumerate(lines, 1) if text.strip().removeprefix("- ").startswith(line))
    assert main(["vectors", "export", "--run", str(run), "-o", str(run / "x.gguf")]) == 2
    message = capsys.readouterr().err
    assert f"{run / RECOMMENDED}:{number}: " in message
    assert words in message


@pytest.mark.parametrize("text", ["", "[]", "format: trimtab-recommended-9\n", "a: {", "format: &a [*a]\n"])
def test_what_is_no_such_file_is_refused(run: Path, text: str) -> None:
    (run / RECOMMENDED).write_text(text, encoding="utf-8")
    with pytest.raises(SettingError, match=r"recommended\.yaml"):
        setting_to_use(run)


def test_what_it_does_not_hold_is_refused_with_what_it_holds(run: Path) -> None:
    with pytest.raises(RunError, match=f"no such setting; choose .* among {BEHAVIOR} in {MODEL}"):
        setting_to_use(run, behavior="concise")


def test_a_setting_that_was_added_by_hand_is_one_that_nothing_was_measured_at(edit: Edit) -> None:
    run = edit(measured=None)
    use = setting_to_use(run)
    assert use.edited == "nothing was measured at it"
    assert use.chosen_by == ""


def test_the_file_may_be_moved_with_its_vector(run: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    (there / "vectors").mkdir(parents=True)
    shutil.copy(run / RECOMMENDED, there)
    use = setting_to_use(there / RECOMMENDED)
    assert use.vectors == there / "vectors" / f"{MODEL}--{BEHAVIOR}.safetensors"


def test_what_is_written_is_what_is_read(finished: Finished) -> None:
    found = read_recommended(finished.path / RECOMMENDED)
    assert RecommendedFile.model_validate(found.model_dump(mode="json")) == found
