"""No text becomes a formula of a spreadsheet; numbers stay numbers."""

import csv
import io

import pandas as pd
import pytest

from trimtab._util.spreadsheet import csv_text

FORMULAS = ['=HYPERLINK("http://x")', "+1+cmd", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "-", "=", "+x", "-0.4e"]


def cells(table: pd.DataFrame) -> list[list[str]]:
    return list(csv.reader(io.StringIO(csv_text(table), newline="")))


@pytest.mark.parametrize("text", FORMULAS)
@pytest.mark.parametrize("dtype", ["object", "str", "category"])
def test_text_that_a_spreadsheet_would_compute_gets_an_apostrophe(text: str, dtype: str) -> None:
    header, row = cells(pd.DataFrame({"reply": pd.Series([text], dtype=dtype)}))
    assert (header, row) == (["reply"], [f"'{text}".replace("\r", "\n")])


def test_names_of_columns_are_text_too() -> None:
    assert cells(pd.DataFrame({"=1+1": [1.0]}))[0] == ["'=1+1"]


@pytest.mark.parametrize("value", [-0.4, -3, 1e-9, True, "-0.4", "+1", "-1e-05", "a=b", "9+10", "-α", "'=1", ""])
def test_numbers_and_plain_text_stay_as_they_are(value: object) -> None:
    assert cells(pd.DataFrame({"x": pd.Series([value, "text"], dtype="object")}))[1] == [str(value)]


def test_a_carriage_return_begins_no_row() -> None:
    assert cells(pd.DataFrame({"reply": ["a\r=1+1", "b\r\nc"]})) == [["reply"], ["a\n=1+1"], ["b\nc"]]


def test_the_table_itself_is_left_alone() -> None:
    table = pd.DataFrame({"x": ["=1"], "n": [-1.5]})
    csv_text(table, float_format="%.6g")
    assert table["x"].tolist() == ["=1"]
