"""Entries and activity as JSON lines, each with the seal that it can be checked by: for exports
(entries only) and the stream.

The line without "seal" is what was sealed, in the same canonical form.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypedDict

from django.db import connection

from ipadmin.audit import activity, document, rows
from ipadmin.audit.document import RawEntry
from ipadmin.models import AuditLink, LinkKind

# By hand, because Django takes longer to write such a query than the database to answer it.
SEALS = """
    SELECT link.attempt_id, link.sequence, link.kind, {at}, link.digest, link.key_id,
        previous.seal, link.seal
    FROM ipadmin_auditlink link
    LEFT JOIN ipadmin_auditlink previous ON previous.sequence = link.sequence - 1
    WHERE {condition}
"""


class Seal(TypedDict):
    """A link of the hash chain, as lines have it. `previous` is the mac of the link before, which
    `mac` is computed from; both are hexadecimal, and so is `digest`."""

    sequence: int
    kind: str
    at: str
    digest: str
    key_id: str
    previous: str
    mac: str


def lines(entries: Sequence[RawEntry]) -> bytes:
    """A line for each entry. One that was open when it was read has no seal, even if it has been
    finished since."""
    seals = _seals_of([entry["attempt_id"] for entry in entries if entry["finished_at"]])
    made = [
        document.canonical({**document.document_of(entry), "seal": seals.get(entry["attempt_id"])})
        for entry in entries
    ]
    return b"".join([line + b"\n" for line in made])


def activity_lines(sequences: Sequence[int]) -> bytes:
    """A line for each link of an activity, given by their numbers in ascending order."""
    links = AuditLink.objects.filter(sequence__in=sequences).order_by("sequence")
    found = list(rows.rows(links, ("sequence", "kind", "at", "details")))
    condition = f"link.sequence IN ({', '.join(['%s'] * len(sequences))})"
    seals = {seal["sequence"]: seal for _attempt_id, seal in _seals(condition, sequences)}
    made = [{**activity.document_of(*row), "seal": seals[row[0]]} for row in found]
    return b"".join([document.canonical(each) + b"\n" for each in made])


def last_line(link: AuditLink) -> bytes:
    """What the link of a finished export says about it, and the seal of the link."""
    ((_attempt_id, seal),) = _seals("link.sequence = %s", [link.sequence])
    return document.canonical({"export": link.details, "seal": seal}) + b"\n"


def _seals_of(attempt_ids: Iterable[str]) -> dict[str, Seal]:
    """The seals of the finished entries of some hundred attempts, by attempt ID."""
    by_hex = {attempt_id.replace("-", ""): attempt_id for attempt_id in attempt_ids}
    if not by_hex:
        return {}
    condition = f"link.kind = %s AND link.attempt_id IN ({', '.join(['%s'] * len(by_hex))})"
    found = _seals(condition, [str(LinkKind.FINISHED), *by_hex])
    return {by_hex[str(attempt_id).replace("-", "")]: seal for attempt_id, seal in found}


def _seals(condition: str, params: Sequence[str | int]) -> Iterator[tuple[object, Seal]]:
    # SQLite's driver would parse a datetime.
    at = "CAST(link.at AS text)" if connection.vendor == "sqlite" else "link.at"
    with connection.cursor() as cursor:
        cursor.execute(SEALS.format(at=at, condition=condition), params)
        for attempt_id, sequence, kind, at, digest, key_id, previous, mac in cursor.fetchall():
            yield (
                attempt_id,
                {
                    "sequence": sequence,
                    "kind": kind,
                    "at": rows.moment(at),
                    "digest": digest.hex(),
                    "key_id": key_id,
                    "previous": previous.hex() if previous else "",
                    "mac": mac.hex(),
                },
            )
