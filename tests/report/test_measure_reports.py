"""A measure of another package is shown on the page without a change to trimtab."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pandas as pd
import pytest

from report.test_checked import places
from run_folders import finished_run
from trimtab._util.registry import Registry
from trimtab.analysis import Finding, Subject, subject_first
from trimtab.analysis.samples import records
from trimtab.report import MEASURE_REPORTS, MeasureReport, ReportContext, Section, write_report
from trimtab.report._sections import ORDER
from trimtab.report.results import analysed
from trimtab.report.tables import table, word
from trimtab.study.reporting import read_run


@dataclass(frozen=True)
class EchoResults:
    """Replies that repeat their prompt."""

    echoes: pd.DataFrame
    findings: tuple[Finding, ...]


@subject_first
def echo_rate(values):
    return f"replies repeat the prompt at a rate of {values['rate']:.2f}."


class EchoReport(MeasureReport[EchoResults]):
    name = "echo"
    tables = ("replies",)

    def results(self, context: ReportContext) -> EchoResults | None:
        found = context.by_run(self.name, self._analysed)
        return None if found is None else EchoResults(found[0]["echoes"], found[1])

    def _analysed(self, run, tables):
        replies = tables["replies"]
        rate = float(replies["echoed"].mean())
        return {"echoes": replies}, [Finding("effect", echo_rate, {"rate": rate}, (Subject("calm"),), "echo")]

    def findings(self, results: EchoResults):
        return results.findings

    def sections(self, results: EchoResults):
        columns = [word("prompt_id", "prompt"), word("echoed")]
        rates = table("Rate", columns, records(results.echoes))
        return [Section("echoes", "Echoes", "How often a reply repeats its prompt.", tables=[rates])]

    def files(self, results: EchoResults):
        return {"tables/echoes.csv": results.echoes}

    def glossary(self, results: EchoResults):
        return [("echo", "A reply that repeats its prompt.")]


ECHOES = pd.DataFrame({"behavior": "calm", "prompt_id": ["p1", "p2"], "echoed": [True, False]})


def test_its_section_table_caption_finding_file_and_term_are_on_the_page(demo, tmp_path):
    run = replace(demo, tables={"echo/replies": ECHOES})
    with MEASURE_REPORTS.temporarily("echo", EchoReport(), "Echoes."):
        results = write_report([run], tmp_path / "report.html")
        lines = {report.name: report.summary(found) for report, found in results.measured()}
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    found = places(html)
    assert found.index("best") < found.index("echoes") < found.index("choice")
    section = html.split('<details class="appendix" id="echoes">')[1].split('<details class="appendix"')[0]
    assert "How often a reply repeats its prompt." in section
    assert "p1" in section
    assert "<dt>echo</dt>" in html
    assert "replies repeat the prompt at a rate of 0.50" in html
    assert lines["echo"] == ["calm: replies repeat the prompt at a rate of 0.50."]
    assert len(pd.read_csv(tmp_path / "tables" / "echoes.csv")) == 2
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "## Echoes" in text


def test_a_run_without_its_tables_has_none_of_it(demo):
    with MEASURE_REPORTS.temporarily("echo", EchoReport(), "Echoes."):
        assert "echo" not in analysed([demo]).measures


def test_several_runs_name_the_run_in_its_findings_and_tables(demo):
    runs = [replace(demo, name=name, tables={"echo/replies": ECHOES}) for name in ("one", "two")]
    with MEASURE_REPORTS.temporarily("echo", EchoReport(), "Echoes."):
        results = analysed(runs)
    echoes = results.measures["echo"]
    assert list(echoes.echoes["run"]) == ["one", "one", "two", "two"]
    assert [finding.text.partition(":")[0] for finding in echoes.findings] == ["calm (one)", "calm (two)"]


@pytest.mark.parametrize("name", MEASURE_REPORTS.names())
def test_every_report_of_a_measure_keeps_the_contract(name, checked_report):
    report, results = MEASURE_REPORTS.get(name), checked_report[1]
    assert isinstance(report, MeasureReport)
    assert report.name == name
    assert isinstance(MEASURE_REPORTS, Registry)
    assert len(set(report.tables)) == len(report.tables)
    if name in results.measures:
        found = results.of(report)
        assert all(section.part in ORDER for section in report.sections(found))
        assert all(isinstance(finding, Finding) for finding in report.findings(found))
        assert all(path.endswith(".csv") for path in report.files(found))
        assert all(term and text for term, text in report.glossary(found))


def test_the_tables_that_reports_name_are_read_from_a_run_folder(tmp_path):
    run = read_run(finished_run(tmp_path / "run").path)
    reports = [MEASURE_REPORTS.get(name) for name in MEASURE_REPORTS.names()]
    named = {f"{report.name}/{table}" for report in reports for table in report.tables}
    assert set(run.tables) == named | {"answers/ways"}  # counted from the answers when they are read
    assert set(run.of("robustness")) == {"samples"}
