"""Columns of the database as cells of a CSV file (RFC 4180) that a spreadsheet may open.

A whole column at once: most are of plain letters and digits, which one look at the column tells.
With the csv module, cell by cell, an export takes half as long again.

What a spreadsheet would run gets an apostrophe before it, by which spreadsheets know a text. That
is a cell that begins with a sign of a formula; and, as a spreadsheet of some countries takes
semicolons and tabs for the ends of cells and minds no quotes then, what follows one of these or a
new line as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from ipadmin.services import record

Column = Sequence[Any]
Shape = Callable[[Column], Sequence[str]]

# Equals, plus, minus and at, and their wide and small forms, which may be taken for them.
SIGNS = "=+@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u2212-"
# What is passed over before a sign: white space, and what is not seen at all.
UNSEEN = r"\s\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff"
FORMULA = rf"[{UNSEEN}]*[{SIGNS}]"
IS_FORMULA = re.compile(FORMULA).match
# The places where an apostrophe is put in.
RUN = re.compile(rf"(?<![^;\t\r\n])(?={FORMULA})|^(?=[\t\r])")
# None of these, nor anything unseen or beyond ASCII: nothing to neutralise and nothing to quote.
# Between a column's texts stands a quotation mark.
SUSPECTS = ("=", "+", "@", ";", ",", '"-', '" ')


def texts(column: Column) -> Sequence[str]:
    whole = '"' + '"'.join(column)
    if (
        whole.isascii()
        and whole.isprintable()
        and whole.count('"') == len(column)
        and not any(suspect in whole for suspect in SUSPECTS)
    ):
        return column
    return _each(column, cell)


def optional_texts(column: Column) -> Sequence[str]:
    return texts([text or "" for text in column])


def documents(column: Column) -> Sequence[str]:
    """JSON as the database has it, and nothing for an empty one."""
    return _each(column, _document)


def moments(column: Column) -> Sequence[str]:
    """`2026-01-02T03:04:05.678Z` of a moment in UTC as either database writes it."""
    return [
        # With its fraction, which is left out when it is zero.
        f"{text[:10]}T{text[11:23]}Z" if text and len(text) > 25 else _moment(text)
        for text in column
    ]


def uuids(column: Column) -> Sequence[str]:
    if len(column[0]) == 36:
        return column
    return [f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}" for text in column]


def numbers(column: Column) -> Sequence[str]:
    return ["" if number is None else str(number) for number in column]


def flags(column: Column) -> Sequence[str]:
    return ["true" if flag else "false" for flag in column]


def lines(columns: Sequence[Sequence[str]]) -> str:
    """The rows of these columns of cells."""
    return "\r\n".join(map(",".join, zip(*columns, strict=True))) + "\r\n"


def cell(text: str) -> str:
    """Neutralised, and quoted where it has to be. At a NUL many readers end: none is left."""
    if IS_FORMULA(text):
        text = f"'{text}"
    if ";" in text or not text.isprintable():
        text = RUN.sub("'", text).replace("\x00", "\N{REPLACEMENT CHARACTER}")
    if '"' in text or "," in text or "\n" in text or "\r" in text:
        return '"' + text.replace('"', '""') + '"'
    return text


def _each(column: Column, change: Callable[[str], str]) -> Sequence[str]:
    changed = {text: change(text) for text in set(column)}
    return [changed[text] for text in column]


def _document(text: str) -> str:
    return "" if text in {"{}", "[]"} else cell(record.canonical(json.loads(text)))


def _moment(text: str | None) -> str:
    if not text:
        return ""
    return f"{datetime.fromisoformat(text).isoformat(timespec='milliseconds')[:23]}Z"
