"""Every entry as CSV: as Django's documentation streams one, and with no instances made."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from io import StringIO
from itertools import islice
from typing import Any

from auditlog.models import LogEntry  # type: ignore[import-untyped]
from django.contrib.auth.decorators import user_passes_test
from django.db import transaction
from django.db.models import TextField
from django.db.models.functions import Cast
from django.http import HttpRequest, StreamingHttpResponse

# Rows in one piece of the answer.
PIECE = 1000
ACTIONS = {number: str(name) for number, name in LogEntry.Action.choices}

superusers_only = user_passes_test(lambda user: user.is_active and user.is_superuser)


class Echo:
    """What csv.writer writes to: gives back what it is given."""

    def write(self, text: str) -> str:
        return text


@superusers_only
def stock(_request: HttpRequest) -> StreamingHttpResponse:
    """An instance, its person and a piece of the answer for each row."""
    writer = csv.writer(Echo())
    entries = LogEntry.objects.select_related("actor").iterator()
    return StreamingHttpResponse(
        (writer.writerow(_row(entry)) for entry in entries), content_type="text/csv"
    )


def _row(entry: Any) -> list[Any]:
    return [
        entry.timestamp.isoformat(),
        entry.actor,
        entry.get_action_display(),
        entry.object_repr,
        entry.object_pk,
        entry.remote_addr,
        entry.cid,
        json.dumps(entry.changes),
        json.dumps(entry.additional_data),
    ]


@superusers_only
def tuned(_request: HttpRequest) -> StreamingHttpResponse:
    """Plain values, JSON as it stands in the table, a thousand rows in one piece."""
    return StreamingHttpResponse(_pieces(), content_type="text/csv")


def _pieces() -> Iterator[str]:
    entries = LogEntry.objects.values_list(
        "timestamp",
        "actor__username",
        "action",
        "object_repr",
        "object_pk",
        "remote_addr",
        "cid",
        Cast("changes", TextField()),
        Cast("additional_data", TextField()),
    )
    # On PostgreSQL a transaction lets the rows come as they are found.
    with transaction.atomic():
        rows = entries.iterator()
        while piece := list(islice(rows, PIECE)):
            text = StringIO()
            csv.writer(text).writerows(
                (at.isoformat(), person, ACTIONS[action], *rest)
                for at, person, action, *rest in piece
            )
            yield text.getvalue()
