"""Entries as lines of JSON, each with the seal it can be checked by: what is exported and streamed.

The line without "seal" is what was sealed, in the same canonical form.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ipadmin.models import AuditSeal
from ipadmin.models.audit_seal import OF_FINISHED
from ipadmin.services import plain, record
from ipadmin.services.proving import seals

Seal = dict[str, Any]


def line(entry: Mapping[str, Any], seal: Seal | None) -> str:
    """The line of an entry, given by its plain values; an open one has no seal yet."""
    return record.line_text(entry, seal)


def seals_of(attempt_ids: Sequence[str]) -> dict[str, Seal]:
    """The seals of those attempts that are finished, as lines carry them. Some hundreds at once."""
    finished = AuditSeal.objects.filter(attempt_id__in=attempt_ids, kind__in=OF_FINISHED)
    return {str(row[2]): seal for row, seal in _with_previous(list(_rows(finished)))}


def seal_of_act(seal: AuditSeal) -> Seal:
    """The seal of an act on the history, as the last line of an export carries it."""
    (row,) = _rows(AuditSeal.objects.filter(pk=seal.pk))
    ((_row, found),) = _with_previous([row])
    return found


def _rows(some: Any) -> Iterator[tuple[Any, ...]]:
    return plain.rows(some.order_by(), seals.FIELDS)


def _with_previous(rows: list[tuple[Any, ...]]) -> Iterator[tuple[tuple[Any, ...], Seal]]:
    """Each row with its seal, which names the mac of the link before: by it the own mac is made."""
    macs = seals.macs_before([row[0] for row in rows])
    for row in rows:
        sequence, kind, _attempt, at, digest, key_id, mac = row
        yield (
            row,
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
