"""Entries as JSON lines, each with the seal that it can be checked by: exported and streamed.

The line without "seal" is what was sealed, in the same canonical form.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypedDict

from django.db.models import QuerySet

from ipadmin.audit import document, rows
from ipadmin.audit.document import RawEntry
from ipadmin.audit.integrity import chain
from ipadmin.models import AuditLink
from ipadmin.models.audit_link import FINISHED_KINDS


class Seal(TypedDict):
    """A link of the hash chain, as lines have it. `previous` is the mac of the link before, which
    is part of what `mac` is computed from. All three are hexadecimal."""

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
    seals = seals_of([entry["attempt_id"] for entry in entries if entry["finished_at"]])
    made = [line(entry, seals.get(entry["attempt_id"])) for entry in entries]
    return "".join(f"{text}\n" for text in made).encode()


def line(entry: RawEntry, seal: Seal | None) -> str:
    """The line of an entry, without a line break."""
    return document.canonical({**document.document_of(entry), "seal": seal}).decode()


def seals_of(attempt_ids: Sequence[str]) -> dict[str, Seal]:
    """The seals of the finished entries of some hundred attempts, by attempt ID."""
    finished = AuditLink.objects.filter(attempt_id__in=attempt_ids, kind__in=FINISHED_KINDS)
    return dict(_seals(finished))


def seal_of_activity(link: AuditLink) -> Seal:
    """The seal of an export, as its last line has it."""
    ((_attempt_id, seal),) = _seals(AuditLink.objects.filter(pk=link.pk))
    return seal


def _seals(links: QuerySet[AuditLink]) -> Iterator[tuple[str, Seal]]:
    found = list(rows.rows(links.order_by(), chain.FIELDS))
    macs = chain.macs_before([row[0] for row in found])
    for sequence, kind, attempt_id, at, digest, key_id, mac in found:
        yield (
            attempt_id,
            {
                "sequence": sequence,
                "kind": kind,
                "at": at,
                "digest": digest.hex(),
                "key_id": key_id,
                "previous": macs.get(sequence, b"").hex(),
                "mac": mac.hex(),
            },
        )
