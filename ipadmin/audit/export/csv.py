"""Entries as CSV: for people, who open it in a spreadsheet.

It begins with a byte order mark, without which Excel takes UTF-8 for the alphabet of its country.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import F, QuerySet, TextField
from django.db.models.functions import Cast

from ipadmin.audit.export import cells
from ipadmin.models import AuditEntry

# Rows turned into text together: so few that the processor's own memory holds them.
ROWS = 128
# Rows asked of the database at once, which may be far away.
FETCHED = 8 * ROWS
BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"

COLUMNS: dict[str, tuple[str, cells.Shape]] = {
    "created_at": ("Time (UTC)", cells.moments),
    "outcome": ("Outcome", cells.texts),
    "action": ("Action", cells.texts),
    "address": ("Address", cells.texts),
    "allocation_name": ("Was allocated to", cells.texts),
    "allocation_type": ("Allocation type", cells.texts),
    "allocation_id": ("Allocation id", cells.texts),
    "reverse_dns": ("Reverse DNS", cells.texts),
    "user_name": ("Person", cells.texts),
    "source_ip": ("From", cells.optional_texts),
    "reason": ("Reason", cells.texts),
    "organization_name": ("Organization", cells.texts),
    "organization_sub_domain": ("Organization sub-domain", cells.texts),
    "organization_id": ("Organization id", cells.texts),
    "environment": ("Environment", cells.texts),
    "token_label": ("Token", cells.texts),
    "token_fingerprint": ("Token fingerprint", cells.texts),
    "error_code": ("Error code", cells.texts),
    "error_description": ("Error description", cells.texts),
    "error_detail": ("Error detail", cells.documents),
    "http_status": ("HTTP status", cells.numbers),
    "duration": ("Seconds of the call", cells.numbers),
    "sent_at": ("Sent (UTC)", cells.moments),
    "finished_at": ("Finished (UTC)", cells.moments),
    "basis": ("Basis", cells.texts),
    "evidence": ("Evidence", cells.documents),
    "competing_attempts": ("Rival attempts", cells.documents),
    "address_label": ("Address label", cells.texts),
    "vip": ("VIP", cells.flags),
    "address_id": ("Address id", cells.texts),
    "api_url": ("Katapult", cells.texts),
    "katapult_request_id": ("Katapult request id", cells.texts),
    "rate_limit_permitted": ("Rate limit", cells.numbers),
    "rate_limit_remaining": ("Rate limit left", cells.numbers),
    "request_id": ("Request id", cells.texts),
    "attempt_id": ("Attempt id", cells.uuids),
    "token_id": ("Token id", cells.uuids),
    "user_id": ("Person id", cells.numbers),
    "id": ("Entry", cells.numbers),
}
SHAPES = [shape for _title, shape in COLUMNS.values()]


def pieces(entries: QuerySet[AuditEntry]) -> Iterator[tuple[int, bytes]]:
    """The file piece by piece, each with the number of entries in it."""
    titles = ",".join(title for title, _shape in COLUMNS.values())
    yield 0, f"{BOM}{titles}\r\n".encode()
    for rows in _rows(entries):
        columns = zip(*rows, strict=True)
        shaped = [shape(column) for shape, column in zip(SHAPES, columns, strict=True)]
        yield len(rows), cells.lines(shaped).encode()


def _rows(entries: QuerySet[AuditEntry]) -> Iterator[list[tuple[Any, ...]]]:
    """Rows as the database has them: what is not to be reckoned with need not become an object."""
    selected = [
        Cast(name, TextField()) if shape in {cells.moments, cells.uuids} else F(name)
        for name, (_title, shape) in COLUMNS.items()
    ]
    try:
        sql, params = entries.values_list(*selected).query.sql_with_params()
    except EmptyResultSet:
        return
    with connection.chunked_cursor() as cursor:
        cursor.execute(sql, params)
        while rows := cursor.fetchmany(FETCHED):
            for start in range(0, len(rows), ROWS):
                yield rows[start : start + ROWS]
