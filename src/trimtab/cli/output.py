"""What a verb prints at its end: the findings, and the path of the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from trimtab.cli.next_command import Words, show_next
from trimtab.cli.terminal import echo, echo_path, echo_text
from trimtab.errors import TrimtabError
from trimtab.report import MEASURE_REPORTS
from trimtab.study import RunFolder, Written
from trimtab.study.recommending.recommended_file import RECOMMENDED, read_recommended

MAX_NEXT = 3
"""Commands that are suggested at the end of a verb."""
MAX_FINDINGS = 20
"""Findings in the terminal: more than a page leads with. A study of many models has hundreds behind them."""


Then = Callable[[Path], Sequence[Words]]
"""Makes commands from a run folder."""


def no_more(run: Path) -> Sequence[Words]:
    """Nothing beside what the run suggests."""
    return ()


def tell(page: Written, check: str = "", *, run: Path | None = None, then: Then = no_more) -> None:
    """Print the findings, or those of one check, the path of a report, and what to type next.

    Args:
        page: The report.
        check: The measure whose findings are shown; all of them without.
        run: The run folder that the report is of; None for several.
        then: Makes what else may be typed, after what the run itself suggests.
    """
    findings = page.by_check.get(check, ()) if check else page.findings
    most = len(findings) if check else MAX_FINDINGS
    for finding in findings[:most]:
        echo_text(finding)
    if check and check not in MEASURE_REPORTS.names():
        echo_text(f"{check} has no report; its tables are in {page.path.parent / check}")
    elif check and not findings:
        echo("nothing to warn of")
    if (more := len(findings) - most) > 0:
        echo(f"… and {more} more in the report")
    echo("")
    echo_path("report", page.path)
    if run is not None:
        use, checks = _after(run)
        show_next(*[*use, *then(run), *checks][:MAX_NEXT])


def _after(run: Path) -> tuple[list[list[str]], list[list[str]]]:
    """What to do with a run: use the setting that it recommends; then what was not checked yet."""
    manifest = RunFolder(run).manifest()
    if not manifest.vectors or not (run / RECOMMENDED).is_file():  # as an imported run, which nothing can be added to
        return [], []
    done = {name for name, value in manifest.settings.items() if value}
    try:
        settings = read_recommended(run / RECOMMENDED).settings
    except TrimtabError:  # of which the report has warned
        return [], []
    if not settings:
        return [], ([] if "diagnosis" in done else [["diagnose", str(run)]])
    first, several = settings[0], len(settings) > 1
    which = ["--model", first.model, "--behavior", first.behavior] if several else []
    # Nothing can be added where nothing was scored.
    scored = any(part.startswith("samples/") for part in RunFolder(run).part_sizes())
    checks = [verb for verb in ("side-effects", "robustness") if scored and verb.replace("-", "_") not in done]
    return [["chat", "--run", str(run), *which]], [[verb, str(run)] for verb in checks]
