"""CSV: formulas are neutralised, everything else comes back unchanged."""

from __future__ import annotations

import csv as standard_csv
import io
import re
from datetime import UTC, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipadmin.audit import document
from ipadmin.audit.export import csv

HARMLESS = [
    "",
    "web-01.example.net",
    "1-2",
    "a=b",
    "a, b and c",
    'He said "no"',
    "Blocklisted; taking a fresh one",
    "one\r\ntwo\nthree",
    "Zürich, 日本, 🦊",
    "'=1",
    "2001:db8::1",
]
# A sign at the beginning of what some spreadsheet reads as a cell.
RUNS = re.compile(r"(?:^\s*|[;\t\r\n][\s\"]*)[=+@\uff1d\uff0b\uff0d\uff20-]")
HEAVY = st.text(alphabet='=+-@;,"\t\r\n \x00ab\uff1d\u00fc')


def read(data: bytes) -> list[list[str]]:
    return list(standard_csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def entry(**values: Any) -> Any:
    return dict.fromkeys(document.fields()) | values


def cell(value: Any) -> str:
    """The reason of an entry with this value, read back from its line."""
    [row] = read(csv.Layout().lines([entry(reason=value)]))
    return row[list(csv.COLUMNS).index("reason")]


@pytest.mark.parametrize("sign", "=+-@\uff1d\uff0b\uff0d\uff20\ufe66\u2212")
@pytest.mark.parametrize("before", ["", " ", "\t", "\r", "\u3000", "\u200b", "\x0b"])
def test_a_formula_becomes_a_text(before: str, sign: str) -> None:
    text = f"{before}{sign}1+1"
    assert cell(text).startswith("'")
    assert cell(text).replace("'", "") == text


@pytest.mark.parametrize(
    ("text", "neutralised"),
    [
        ("x;=cmd()", "x;'=cmd()"),
        ("x; @y", "x;' @y"),
        ("x\t-1", "x\t'-1"),
        ('a;"=1"', 'a;\'"=1"'),
        ('a\n"-1', "a\n'\"-1"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
    ],
)
def test_a_formula_behind_a_separator_becomes_a_text(text: str, neutralised: str) -> None:
    assert cell(text) == neutralised


@pytest.mark.parametrize("text", HARMLESS)
def test_a_harmless_text_is_unchanged(text: str) -> None:
    assert cell(text) == text


@given(HEAVY)
def test_no_text_runs_and_none_loses_a_character(text: str) -> None:
    assert not RUNS.search(cell(text))
    assert cell(text).replace("'", "") == text.replace("\x00", "\ufffd")


@given(st.lists(HEAVY, min_size=1, max_size=5))
def test_each_entry_is_one_row(texts: list[str]) -> None:
    rows = read(csv.Layout().lines([entry(reason=text, user_name="x") for text in texts]))
    assert [row[list(csv.COLUMNS).index("user_name")] for row in rows] == ["x"] * len(texts)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        (-1, "-1"),
        (True, "true"),
        (False, "false"),
        ({}, ""),
        ([], ""),
        ({"b": "ü", "a": ";=1"}, '{"a":";\'=1","b":"ü"}'),
    ],
)
def test_other_values_than_texts(value: Any, shown: str) -> None:
    assert cell(value) == shown


def test_the_header_names_every_field_of_the_document() -> None:
    assert sorted(csv.COLUMNS) == sorted(document.fields())
    assert read(csv.Layout().header()) == [list(csv.COLUMNS.values())]


@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        (UTC, "2026-07-01T22:30:00.000006Z"),
        (ZoneInfo("Europe/Zurich"), "2026-07-02T00:30:00.000006+02:00"),
        (ZoneInfo("America/St_Johns"), "2026-07-01T20:00:00.000006-02:30"),
    ],
)
def test_times_are_in_the_zone_of_the_layout(zone: tzinfo, shown: str) -> None:
    layout = csv.Layout(("reason", "created_at"), zone)
    made = entry(created_at="2026-07-01T22:30:00.000006Z", reason="2026-07-01T22:30:00Z")
    assert read(layout.lines([made])) == [["2026-07-01T22:30:00Z", shown]]
    assert read(layout.header()) == [["Reason", f"Time ({zone})"]]


@pytest.mark.parametrize(
    "value", [None, "", "then", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"]
)
def test_a_time_that_cannot_be_converted_is_unchanged(value: str | None) -> None:
    for zone in ("America/St_Johns", "Asia/Tokyo"):
        [[shown]] = read(
            csv.Layout(("finished_at",), ZoneInfo(zone)).lines([entry(finished_at=value)])
        )
        assert shown[:4] in {"", "then", "0001", "9999"}


def test_only_what_is_unusual_of_a_layout_is_recorded() -> None:
    assert csv.Layout().details() == {}
    assert csv.Layout(("id",), ZoneInfo("Asia/Tokyo")).details() == {
        "columns": "id",
        "time_zone": "Asia/Tokyo",
    }


def test_the_short_columns_are_columns() -> None:
    assert set(csv.SHORT) < set(csv.COLUMNS)
