"""Where a study runs: beside a run with other settings, never into it, and saying which of them differ."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

from run_folders import manifest
from trimtab.errors import RunError, TrimtabWarning
from trimtab.study import RunFolder, Study, make_study
from trimtab.study.settings.run_place import run_place

EARLIER = {"behaviors": ["cheerful"], "scale": "raw", "strengths": [-1, 1]}
"""What `behaviors: [cheerful]` was when raw was the scale that was meant by leaving it out."""


def study(**content: Any) -> Study:
    return make_study({"behaviors": ["cheerful"], **content})


@pytest.fixture
def earlier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder `runs/study` with the run of an earlier version."""
    monkeypatch.chdir(tmp_path)
    path = Path("runs/study")
    path.mkdir(parents=True)
    settings = make_study(EARLIER).model_dump(mode="json")
    RunFolder(path).write_manifest(manifest(settings=settings, identity="earlier"))
    return path


def test_a_run_folder_holds_its_scale_and_strengths_also_where_its_study_left_them_out() -> None:
    held = study().model_dump(mode="json")
    assert (held["scale"], held["strengths"]) == ("relative", [-0.1, 0.1])


def test_a_study_that_left_the_scale_out_runs_beside_the_raw_run_and_says_what_differs(earlier: Path) -> None:
    with pytest.warns(TrimtabWarning, match=r"strengths: -1, 1 there, -0.1, 0.1 here; scale: raw there, relative here"):
        assert run_place(study(), None, "now") == Path("runs/study-2")


def test_it_is_not_mixed_into_the_folder_that_is_named(earlier: Path) -> None:
    with pytest.raises(RunError, match=r"scale: raw there, relative here.*never mixed"):
        run_place(study(), earlier, "now")


def test_settings_that_fill_lines_are_named_only(earlier: Path) -> None:
    split = {"train": 0.6, "select": 0.2, "test": 0.2}
    with pytest.raises(RunError, match=r"other settings \(split\)"):
        run_place(study(**{**EARLIER, "split": split}), earlier, "now")


def test_the_run_itself_is_continued_without_a_word(earlier: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert run_place(study(**EARLIER), None, "earlier") == earlier
        assert run_place(study(**EARLIER), earlier, "earlier") == earlier
        assert run_place(study(), "elsewhere", "now") == Path("elsewhere")
        assert run_place(study(), None, "earlier") == earlier
