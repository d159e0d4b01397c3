"""docs/planning.md says what the command prints, and its arithmetic is right."""

import ast
import os
import re
import subprocess
import sys
from operator import add, mul, sub, truediv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "planning.md").read_text(encoding="utf-8")
PRINTED = [line for block in re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL) for line in block.strip().splitlines()]
SUMS = [line for block in re.findall(r"```calc\n(.*?)```", PAGE, re.DOTALL) for line in block.strip().splitlines()]


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The plan of the example, without network and with nothing in the hub's cache."""
    place = tmp_path_factory.mktemp("offline")
    command = [sys.executable, "-m", "trimtab", "study", str(ROOT / "examples" / "qwen3-scale.yaml")]
    done = subprocess.run(
        [*command, "--dry-run", "--accelerator", "h100"],
        cwd=place, env=os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(place)},
        check=True, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert list(place.glob("runs*")) == []
    return done.stdout


@pytest.mark.parametrize("line", PRINTED)
def test_every_printed_line_of_the_page_is_printed(printed: str, line: str) -> None:
    assert line in printed.splitlines()


@pytest.mark.parametrize("line", re.findall(r"^\| Qwen3-.*$", PAGE, re.MULTILINE))
def test_the_table_of_models_is_what_is_printed(printed: str, line: str) -> None:
    name, active, tokens, generated, flops, gpus = (cell.strip() for cell in line.strip("|").split("|"))
    block = printed[printed.index(f"Qwen/{name}:") :].partition("\n\n")[0]
    assert f"{active} active" in block or f" {active} parameters" in block
    asked = [int(count.replace(",", "")) for count in re.findall(r"at most ([\d,]+) generated tokens", block)]
    assert f"{sum(asked):,}" == generated
    assert f"in all   {'at most ' if asked else ''}{tokens} tokens, {flops} FLOPs" in block
    assert f"GB: {gpus} × H100" in block


def worked_out(sum_: ast.expr) -> float:
    """Numbers and the four operations; anything else on the page is no sum."""
    if isinstance(sum_, ast.BinOp):
        operators = {ast.Add: add, ast.Sub: sub, ast.Mult: mul, ast.Div: truediv}
        return operators[type(sum_.op)](worked_out(sum_.left), worked_out(sum_.right))
    assert isinstance(sum_, ast.Constant)
    return float(sum_.value)


@pytest.mark.parametrize("line", SUMS)
def test_the_arithmetic_of_the_page_is_right(line: str) -> None:
    left, _, right = line.rpartition(" = ")
    for sign, operator in {"×": "*", "÷": "/", "−": "-", ",": ""}.items():
        left, right = left.replace(sign, operator), right.replace(sign, operator)
    digits = len(re.sub(r"e.*", "", right).replace(".", "").lstrip("0"))
    value = worked_out(ast.parse(left.strip(), mode="eval").body)
    assert float(f"{value:.{digits}g}") == float(right)


def test_every_estimate_says_that_it_is_one(printed: str) -> None:
    assert printed.count("estimated from the file's facts; the configuration could not be reached") == 6
    assert "estimated from the file's size; the pairs could not be reached" in printed
    assert "a token is taken for 4 characters" in printed
