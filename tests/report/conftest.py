from pathlib import Path

import pytest

from report.checks import checked_run
from report.study import wide_study
from synthetic import NOISE, PEAKED, synthetic_manifest, synthetic_samples
from trimtab.report import RunTables, write_report
from trimtab.report.results import Results


@pytest.fixture(scope="session")
def demo() -> RunTables:
    """A run with one behavior that peaks at mid-depth and one that is pure noise."""
    samples = synthetic_samples({PEAKED: 1.6, NOISE: 0.0})
    return RunTables("demo", synthetic_manifest(samples), samples)


@pytest.fixture(scope="session")
def wide() -> RunTables:
    """Six models, in two groups and one with experts, on six behaviors, with answers read from their text."""
    return wide_study(10)


@pytest.fixture(scope="session")
def checked_run_of_two() -> RunTables:
    """Two behaviors with every check made."""
    return checked_run()


@pytest.fixture(scope="session")
def checked_report(checked_run_of_two, tmp_path_factory) -> tuple[Path, Results]:
    """The page of the checked run, and what was computed for it."""
    page = tmp_path_factory.mktemp("checked") / "report.html"
    return page, write_report([checked_run_of_two], page)


@pytest.fixture(scope="session")
def demo_page(demo, tmp_path_factory) -> Path:
    """The report of the demo."""
    page = tmp_path_factory.mktemp("demo") / "report.html"
    write_report([demo], page)
    return page


@pytest.fixture(scope="session")
def wide_page(wide, tmp_path_factory) -> Path:
    """The report of the wide study."""
    page = tmp_path_factory.mktemp("wide") / "report.html"
    write_report([wide], page)
    return page
