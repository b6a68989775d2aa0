"""CSV tables: text stays text in a spreadsheet, numbers stay numbers, and a table is read back as it was."""

from __future__ import annotations

import csv

import pytest

from hepad.output.csv_rows import csv_records, csv_text


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1+1", "-2 sigma", "@SUM(A1)", "-", "=1"])
def test_what_would_be_a_formula_is_text(text: str) -> None:
    assert list(csv.reader([csv_text([[text]]).rstrip("\n")])) == [[f"'{text}"]]


@pytest.mark.parametrize("number", ["-1.5", "+3", "-inf", "1e-9", -2.5, -3])
def test_numbers_are_as_they_are(number: object) -> None:
    assert csv_text([[number]]) == f"{number}\n"


def test_names_are_not_obeyed_and_do_not_break_rows() -> None:
    name = 'a,"b"\x1b[2J\n\udcff=.root'
    assert list(csv.reader([csv_text([[name, None, 1]]).rstrip("\n")])) == [['a,"b"\\x1b[2J\\x0a\\xff=.root', "", "1"]]


def test_records_have_all_names_and_empty_cells() -> None:
    assert csv_records([{"a": 1}, {"b": None, "a": "x"}]) == "a,b\n1,\nx,\n"
    assert csv_records([{"a": 1, "c": 2}], ["c", "b"]) == "c,b\n2,\n"
