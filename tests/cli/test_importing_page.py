"""The worked example of docs/importing.md does what the page says."""

import re
import shlex
from pathlib import Path

import pytest

from trimtab.analysis import best_cells, effects
from trimtab.cli.main import main
from trimtab.study import RunFolder

PAGE = (Path(__file__).parents[2] / "docs" / "importing.md").read_text(encoding="utf-8")


def block(kind: str) -> str:
    found = re.search(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)
    assert found
    return found[1]


def test_the_worked_example_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("results.csv").write_text(block("csv"), encoding="utf-8")
    Path("models.yaml").write_text(block("yaml"), encoding="utf-8")
    command = re.search(r"^trimtab (import results.csv .*label=.*)$", PAGE, re.MULTILINE)
    assert command
    assert main(shlex.split(command[1])) == 0
    assert capsys.readouterr().out == block("text")
    samples = RunFolder(Path("runs/theirs")).samples()
    best = best_cells(effects(samples, draws=50), by="delta").iloc[0]
    means = samples[samples["layer"] == 20].groupby("strength")["score"].mean()
    told = re.search(
        r"depth 21 ÷ 36 = (\S+), the mean score is (\S+) at\n\+1 and (\S+) at −1: a delta of (\S+)\.", PAGE
    )
    assert told
    numbers = [float(number.replace("−", "-")) for number in told.groups()]
    assert numbers == pytest.approx([best["depth"], means[1.0], means[-1.0], best["delta"]], abs=0.005)
