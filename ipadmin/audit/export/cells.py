"""Columns of the database as cells of a CSV file (RFC 4180) that a spreadsheet may open.

A whole column at once: most are of plain letters and digits, which one look at the column tells.
With the csv module, cell by cell, an export takes half as long again.

What a spreadsheet would run gets an apostrophe before it, by which spreadsheets know a text. That
is a cell that begins with a sign of a formula; and, as a spreadsheet of some countries takes
semicolons and tabs for the ends of cells and minds no quotes then, what follows one of these or a
new line as well, with quotation marks before it or not.

What stands where a number, a moment or an id belongs and is none was written by somebody else into
the database (SQLite takes anything anywhere), and is a text like any other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from ipadmin.audit import document

Column = Sequence[Any]
Shape = Callable[[Column], Sequence[str]]

# Equals, plus, minus and at, and their wide and small forms, which may be taken for them.
SIGNS = "=+@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u2212-"
# What is passed over before a sign: white space, and what is not seen at all.
UNSEEN = r"\s\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff"
IS_FORMULA = re.compile(rf"[{UNSEEN}]*[{SIGNS}]").match
# The places where an apostrophe is put in.
RUN = re.compile(rf"(?<![^;\t\r\n])(?=[{UNSEEN}\"]*[{SIGNS}])|^(?=[\t\r])")
# None of these, nor anything unseen or beyond ASCII: nothing to neutralise and nothing to quote.
# Between a column's texts stands a quotation mark.
SUSPECTS = ("=", "+", "@", ";", ",", '"-', '" ')
NUMBERS = {int, float, type(None)}
# A moment in UTC as SQLite writes it, or PostgreSQL; and a column of them, one a line.
MOMENT = r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:\+00)?"
ARE_MOMENTS = re.compile(rf"(?:{MOMENT}\n)+|\n").fullmatch
ARE_HEX = re.compile("(?:[0-9a-f]{32}\n)*").fullmatch
ARE_UUIDS = re.compile("(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\n)*").fullmatch


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
    if not ARE_MOMENTS(_lines(column)):
        return [_moment(text) for text in column]
    return [
        # With its fraction, which is left out when it is zero.
        f"{text[:10]}T{text[11:23]}Z" if text and len(text) > 25 else _moment(text)
        for text in column
    ]


def uuids(column: Column) -> Sequence[str]:
    """With dashes, as PostgreSQL writes them; SQLite leaves them out."""
    whole = _lines(column)
    if ARE_HEX(whole):
        return [f"{t[:8]}-{t[8:12]}-{t[12:16]}-{t[16:20]}-{t[20:]}" for t in column]
    return column if ARE_UUIDS(whole) else [_uuid(text) for text in column]


def numbers(column: Column) -> Sequence[str]:
    if set(map(type, column)) <= NUMBERS:
        return ["" if number is None else str(number) for number in column]
    return [_number(each) for each in column]


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


def _lines(column: Column) -> str:
    return "\n".join(filter(None, column)) + "\n"


def _each(column: Column, change: Callable[[str], str]) -> Sequence[str]:
    changed = {text: change(text) for text in set(column)}
    return [changed[text] for text in column]


def _document(text: str) -> str:
    if text in {"{}", "[]"}:
        return ""
    try:
        return cell(document.canonical(json.loads(text)))
    except (ValueError, RecursionError):
        return cell(text)


def _moment(text: str | None) -> str:
    if not text:
        return ""
    try:
        if ARE_MOMENTS(f"{text}\n"):
            return f"{datetime.fromisoformat(text).isoformat(timespec='milliseconds')[:23]}Z"
    except ValueError:
        pass
    return cell(text)


def _uuid(text: str) -> str:
    return uuids([text])[0] if ARE_HEX(f"{text}\n") else cell(text)


def _number(number: Any) -> str:
    if number is None:
        return ""
    return str(number) if type(number) in NUMBERS else cell(str(number))
