"""What a walk looks at when it has come to the end of the chain."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import islice

from django.db import DatabaseError, connection
from django.db.models import Q, Subquery

from ipadmin.audit import rows
from ipadmin.audit.integrity import chain
from ipadmin.audit.integrity.findings import Wrong, inserted_entry, vanished
from ipadmin.audit.integrity.unreadable import UNREADABLE
from ipadmin.models import AuditChain, AuditEntry, AuditLink
from ipadmin.models.audit_link import FINISHED_KINDS

CHUNK = 1000
# Number and mac of a link, recorded elsewhere.
Head = tuple[int, bytes]


def compare_heads(total: int, recorded: Head | None) -> None:
    """That nothing was cut off the end. `total` is the last link that was walked along."""
    if recorded and recorded[0] > total:
        raise _cut_off(total, recorded[0], "was recorded elsewhere")
    try:
        found = _heads()
    except (*UNREADABLE, DatabaseError) as error:
        if not connection.is_usable():
            raise
        raise Wrong("Changed: the row that keeps the head of the chain cannot be read.") from error
    if found is None:
        if total:
            raise Wrong("Removed: the row that keeps the head of the chain is gone.")
        return
    sequence, mac, is_pruning, first, last, last_mac = found
    if sequence > last:
        raise _cut_off(last, sequence, "the head of the chain names")
    if sequence != last or mac != last_mac:
        raise Wrong(
            f"Changed: the row that keeps the head of the chain names link {sequence}, and not the"
            f" last one, link {last}, as it is."
        )
    if first < 1 and last:
        raise Wrong(f"Inserted: link {first} stands before the first.")
    if is_pruning:
        raise Wrong("Changed: the head of the chain lets entries be deleted, and no pruning runs.")


def _heads() -> tuple[int, bytes, bool, int, int, bytes] | None:
    """The head as it is kept, and the numbers of the first and last links as they are. In one
    statement, so that all is as of one moment while others add links. TypeError and ValueError
    when they are no numbers."""
    links = AuditLink.objects.order_by("-sequence")
    found = (
        AuditChain.objects.filter(pk=1)
        .annotate(
            first=Subquery(links.reverse().values("sequence")[:1]),
            last=Subquery(links.values("sequence")[:1]),
            last_mac=Subquery(links.values("mac")[:1]),
            # Whether there is any: it may be no moment that can be read.
            is_pruning=Q(pruning_before__isnull=False),
        )
        .values_list("sequence", "mac", "is_pruning", "first", "last", "last_mac")
        .first()
    )
    if found is None:
        return None
    sequence, mac, is_pruning, first, last, last_mac = found
    numbers = [sequence, first or 0, last or 0]
    if not all(isinstance(number, int) for number in numbers):
        raise TypeError
    sequence, first, last = numbers
    macs = bytes(memoryview(mac)), bytes(memoryview(last_mac or b""))
    return sequence, macs[0], bool(is_pruning), first, last, macs[1]


def _cut_off(last: int, named: int, by: str) -> Wrong:
    return Wrong(
        f"Removed: the links after {last} are missing, up to link {named}, which {by}. The tail of"
        " the history was cut off, unless that number was copied wrongly: compare it first."
    )


def compare_open(opened: Mapping[str, int]) -> None:
    """That what was opened and not finished is still there and open, or was finished since."""
    upcoming = iter(opened.items())
    while some := dict(islice(upcoming, CHUNK)):
        entries = AuditEntry.objects.filter(attempt_id__in=list(some)).order_by()
        there = dict(rows.rows(entries, ("attempt_id", "finished_at")))
        not_open = [attempt_id for attempt_id in some if there.get(attempt_id, "gone")]
        with_end = ended(not_open)
        for attempt_id in not_open:
            if attempt_id in with_end:
                continue
            if attempt_id not in there:
                raise vanished(attempt_id, some[attempt_id])
            raise Wrong(
                f"Changed: attempt {attempt_id}, opened by link {some[attempt_id]}, was finished"
                " without a seal: somebody wrote its outcome past this product."
            )


def ended(attempt_ids: Collection[str]) -> set[str]:
    """Those of the attempts that a link finished, wherever in the chain."""
    if not attempt_ids:
        return set()
    found = AuditLink.objects.filter(attempt_id__in=attempt_ids, kind__in=FINISHED_KINDS)
    return {attempt_id for (attempt_id,) in rows.rows(found.order_by(), ("attempt_id",))}


def next_inserted(after: int | None) -> int | None:
    """Look for an entry without a link among the next ones by id; the id looked at last, and None
    behind the last entry."""
    ahead = AuditEntry.objects.order_by("pk")
    if after is not None:
        ahead = ahead.filter(pk__gt=after)
    first = ahead.values_list("pk", flat=True).first()
    if first is None:
        return None
    # A bounded range, for which no database reads the whole chain.
    last = first + CHUNK - 1
    found = chain.unsealed(ahead.filter(pk__lte=last)).values_list("pk", flat=True).first()
    if found is not None:
        raise inserted_entry(found)
    return last
