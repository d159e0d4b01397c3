"""Progress in a terminal and in a log: one bar with the time left, one line a step, nothing of other libraries."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub.utils.tqdm import are_progress_bars_disabled

from gguf_files import tensors, write_gguf
from trimtab.cli.main import main
from trimtab.cli.progress import shown_progress
from trimtab.cli.terminal import echo_text

COLUMNS = 80
LINE = re.compile(r"(?P<step>.+): (?:(?P<done>[\d,]+) of (?P<total>[\d,]+) (?P<unit>\w+), )?(?:\d+ min )?\d+ s")
CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A GGUF file that has not been converted yet."""
    monkeypatch.setenv("TRIMTAB_CACHE", str(tmp_path / "cache"))
    return str(write_gguf(tmp_path / "small.gguf", tensors()))


def extract(model: str, out: Path, *options: str) -> list[str]:
    return ["extract", "-b", "cheerful", "--limit", "16", "-m", model, "-o", str(out / "v.safetensors"), *options]


def sweep(model: str, out: Path, *options: str) -> list[str]:
    given = ["-b", "cheerful", "--limit", "16", "--layers", "1", "--strengths=-0.2,0.2"]
    return ["sweep", *given, "-m", model, "-o", str(out / "run"), *options]


def monitor(model: str, out: Path, *options: str) -> list[str]:
    return ["monitor", "fit", "-b", "cheerful", "-m", model, "-o", str(out / "m.safetensors"), *options]


@pytest.mark.parametrize("verb", [extract, sweep, monitor])
def test_quiet_writes_nothing_to_stderr(verb, model: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(verb(model, tmp_path, "-q")) == 0
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("verb", [extract, monitor])
def test_a_log_has_one_line_for_each_step_and_nothing_else(
    verb, model: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(verb(model, tmp_path)) == 0
    lines = [LINE.fullmatch(line) for line in capfd.readouterr().err.splitlines()]
    assert all(lines)
    steps = [line["step"] for line in lines if line]
    assert steps[0] == f"load {model}"
    assert len(steps) == len(set(steps))


def test_the_log_of_a_study_says_first_how_long_it_takes_and_counts_each_step(
    model: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(sweep(model, tmp_path)) == 0
    out, err = capfd.readouterr()
    first, *rest = err.splitlines()
    assert re.fullmatch(r"sweep: 1 behavior in 1 model, (up to \d+|\d+ to \d+) (s|min) on this machine", first)
    lines = [LINE.fullmatch(line) for line in rest]
    assert all(lines), rest
    found = {line["step"]: line["total"] for line in lines if line}
    assert list(found) == [f"load {model}", "extract cheerful", "sweep cheerful", "write the report"]
    assert found["sweep cheerful"] == "24"  # 8 held-out rows in two cells and the unsteered one
    assert f"report: {tmp_path / 'run' / 'report.html'}" in out
    assert not {"\x1b", "\r"} & set(out + err)


def test_the_terminal_shows_one_bar_and_the_time_left_and_links_the_report(model: str, tmp_path: Path) -> None:
    shown = in_terminal(sweep(model, tmp_path))
    assert re.search(r"sweep\s*[━╸╺ ]+.* \d+%, (about \d+ s left|nearly done)", CODES.sub("", shown))
    page = tmp_path / "run" / "report.html"
    assert f"\x1b]8;;{page.as_uri()}\x1b\\{page}\x1b]8;;\x1b\\" in shown
    text = CODES.sub("", shown.replace(f"\x1b]8;;{page.as_uri()}\x1b\\", "").replace("\x1b]8;;\x1b\\", ""))
    assert "\x1b" not in text
    lines = [line.rstrip() for part in text.split("\r\n") for line in part.split("\r")]
    # A path has no place to break, so the two lines with one may be longer.
    long = [line for line in lines if len(line) > COLUMNS and str(tmp_path) not in line]
    assert not long
    for step in ("extract cheerful: 8 of 8 rows", "sweep cheerful: 24 of 24 scores", "write the report"):
        assert [line for line in lines if re.fullmatch(rf"{step}(,|:) \d+ s", line)], lines
    assert not re.search(r"it/s|Loading weights|Converting|\d+%\|", text)


def in_terminal(arguments: list[str]) -> str:
    """What a command writes to a terminal of 80 columns."""
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": "30"}
    with subprocess.Popen(
        [sys.executable, "-m", "trimtab", *arguments], stdout=follower, stderr=follower, stdin=follower, env=environment
    ) as process:
        os.close(follower)
        pieces = []
        while True:
            try:
                piece = os.read(leader, 65536)
            except OSError:  # how the end of a pseudo-terminal is reported
                break
            if not piece:
                break
            pieces.append(piece)
    os.close(leader)
    shown = b"".join(pieces).decode()
    assert process.returncode == 0, shown
    return shown


SENTENCE = "  a finding of many words that goes over the width of a terminal, " * 3


def test_sentences_wrap_at_words_in_a_terminal_and_not_in_a_log(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    echo_text(SENTENCE)
    assert capsys.readouterr().out == f"{SENTENCE}\n"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    echo_text(SENTENCE)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 4
    assert all(len(line) <= 40 for line in lines)
    assert " ".join(" ".join(lines).split()) == " ".join(SENTENCE.split())
    assert lines[0].startswith("  a")
    assert lines[1].startswith("    ")


def test_bars_of_other_libraries_are_off_while_progress_is_shown() -> None:
    assert not are_progress_bars_disabled()
    for quiet in (True, False):
        with shown_progress(quiet) as progress:
            assert are_progress_bars_disabled()
            progress("work", 0, 1)
            progress("work", 1, 1)
    assert not are_progress_bars_disabled()
