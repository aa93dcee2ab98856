"""Entries as CSV (RFC 4180), for spreadsheets."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from types import NoneType
from typing import cast

from ipadmin.audit import document
from ipadmin.audit.document import RawEntry

# Without a byte order mark, Excel does not read UTF-8.
BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"
COLUMNS = {
    "created_at": "Time (UTC)",
    "outcome": "Outcome",
    "action": "Action",
    "address": "Address",
    "allocation_name": "Allocation",
    "allocation_type": "Allocation type",
    "allocation_id": "Allocation ID",
    "reverse_dns": "Reverse DNS",
    "user_name": "Person",
    "source_ip": "From",
    "reason": "Reason",
    "organization_name": "Organization",
    "organization_sub_domain": "Organization sub-domain",
    "organization_id": "Organization ID",
    "environment": "Environment",
    "token_label": "Token",
    "token_fingerprint": "Token fingerprint",
    "error_code": "Error code",
    "error_description": "Error description",
    "error_detail": "Error detail",
    "http_status": "HTTP status",
    "duration_us": "Duration (µs)",
    "sent_at": "Sent (UTC)",
    "finished_at": "Finished (UTC)",
    "basis": "Basis",
    "evidence": "Evidence",
    "competing_attempts": "Competing attempts",
    "address_label": "Address label",
    "vip": "VIP",
    "address_id": "Address ID",
    "api_url": "Katapult",
    "katapult_request_id": "Katapult request ID",
    "rate_limit_permitted": "Rate limit",
    "rate_limit_remaining": "Rate limit left",
    "request_id": "Request ID",
    "attempt_id": "Attempt ID",
    "token_id": "Token ID",
    "user_id": "Person ID",
    "id": "Entry",
    # Since format 2; at the end, so that no column has moved.
    "requested_reverse_dns": "Requested reverse DNS",
    "last_of_family": "Last of its family",
    "undoes": "Undoes attempt ID",
    "run_id": "Run ID",
    "format": "Format",
}

# The columns that most readers need.
SHORT = (
    *("created_at", "outcome", "address", "allocation_name", "user_name", "reason"),
    *("organization_name", "error_code", "attempt_id", "action"),
)
TIMES = ("created_at", "sent_at", "finished_at")

# Most texts: they begin with a letter or digit, and contain no separator.
# One on each line, to check a whole column at once.
ARE_HARMLESS = re.compile(r"(?:(?:[0-9A-Za-z][0-9A-Za-z .,:/_()\[\]'-]*+)?\n)*+").fullmatch
# Equals, plus, minus and at, with their wide and small forms, which spreadsheets also accept.
SIGNS = "=+@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u2212-"
# Characters that a spreadsheet skips before a sign: white space and invisible ones.
INVISIBLE = r"\s\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff"
# The places where a formula begins: at the beginning of the cell, and behind a semicolon, tab or
# line break, which end a cell in some countries, even within quotation marks.
FORMULA = re.compile(rf"(?<![^;\t\r\n])(?=[{INVISIBLE}\"]*[{SIGNS}])|^(?=[\t\r])")


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns, and the zone of the times in them: ISO 8601 with the offset."""

    columns: Sequence[str] = tuple(COLUMNS)
    zone: tzinfo = UTC

    def details(self) -> dict[str, str]:
        """What is not as usual, as JSON."""
        details = {} if len(self.columns) == len(COLUMNS) else {"columns": ", ".join(self.columns)}
        return details if self.zone is UTC else {**details, "time_zone": str(self.zone)}

    def header(self) -> bytes:
        """The byte order mark and the titles of the columns."""
        titles = [COLUMNS[name].replace("(UTC)", f"({self.zone})") for name in self.columns]
        return (BYTE_ORDER_MARK + _written([titles])).encode()

    def lines(self, entries: Sequence[RawEntry]) -> bytes:
        """A line for each entry."""
        if not entries:
            return b""
        # By column: most columns need one check for all their values.
        values = zip(*(entry.values() for entry in entries), strict=True)
        found = dict(zip(entries[0], values, strict=True))
        cells = [self._column(name, found[name]) for name in self.columns]
        return _written(zip(*cells, strict=True)).encode()

    def _column(self, name: str, values: Sequence[object]) -> Sequence[str]:
        is_local = name in TIMES and self.zone is not UTC
        return [*map(self._local, _cells(values))] if is_local else _cells(values)

    def _local(self, text: str) -> str:
        """A time that was changed in the database to none is unchanged."""
        try:
            return datetime.fromisoformat(text).astimezone(self.zone).isoformat()
        except (ValueError, OverflowError):
            return text


def neutralised(text: str) -> str:
    """A text that no spreadsheet runs as a formula: with an apostrophe, the mark of a text, where
    one would begin. NUL is replaced, since many readers stop at it."""
    return FORMULA.sub("'", text).replace("\0", "\N{REPLACEMENT CHARACTER}")


def _cells(values: Sequence[object]) -> Sequence[str]:
    """The raw values of a column as text. Most are harmless, or occur often."""
    kinds = set(map(type, values))
    if not kinds <= {str, NoneType}:
        return [*map(_cell, values)]
    texts = cast(Sequence[str], values if kinds == {str} else [value or "" for value in values])
    if ARE_HARMLESS("\n".join(texts) + "\n"):
        return texts
    found = {text: neutralised(text) for text in set(texts)}
    return [found[text] for text in texts]


def _cell(value: object) -> str:
    """A raw value as text: JSON in its canonical form, nothing for null and for empty JSON."""
    if isinstance(value, str):
        return neutralised(value)
    if isinstance(value, int):
        return str(value).lower()
    return neutralised(document.canonical(value).decode()) if value else ""


def _written(rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue()
