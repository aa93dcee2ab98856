"""Entries as lines of JSON, each with the seal it can be checked by: what is exported and streamed.

The line without "seal" is what was sealed, in the same canonical form.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ipadmin.audit import document
from ipadmin.audit import rows as raw_rows
from ipadmin.audit.integrity import chain
from ipadmin.models import AuditLink, LinkKind

Seal = dict[str, Any]


def line(entry: Mapping[str, Any], seal: Seal | None) -> str:
    """The line of an entry, given by its plain values; an open one has no seal yet."""
    return document.line_text(entry, seal)


def seals_of(attempt_ids: Sequence[str]) -> dict[str, Seal]:
    """The seals of those attempts that are finished, as lines carry them. Some hundreds at once."""
    finished = AuditLink.objects.filter(attempt_id__in=attempt_ids, kind=LinkKind.FINISHED)
    return {str(row[2]): seal for row, seal in _with_previous(list(_rows(finished)))}


def seal_of_act(seal: AuditLink) -> Seal:
    """The seal of an act on the history, as the last line of an export carries it."""
    (row,) = _rows(AuditLink.objects.filter(pk=seal.pk))
    ((_row, found),) = _with_previous([row])
    return found


def _rows(some: Any) -> Iterator[tuple[Any, ...]]:
    return raw_rows.rows(some.order_by(), chain.LINK_FIELDS)


def _with_previous(rows: list[tuple[Any, ...]]) -> Iterator[tuple[tuple[Any, ...], Seal]]:
    """Each row with its seal, which names the mac of the link before: by it the own mac is made."""
    macs = chain.seals_before([row[0] for row in rows])
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
