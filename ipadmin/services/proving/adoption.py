"""Seal the entries from before there were seals, once, after the upgrade that brought them.

They are sealed as they were found, of their own kind: what was done to them before, nobody knows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from ipadmin.models import AuditEntry, AuditSeal, SealKind
from ipadmin.services import plain, record
from ipadmin.services.proving import seals
from ipadmin.services.tally import Tally

BATCH = 1000

Values = dict[str, Any]


@dataclass
class Adopted:
    """How many entries were sealed and counted, how many open ones were sealed as they were
    opened, and how many are left that no upgrade explains."""

    finished: int = 0
    opened: int = 0
    left: int = 0


def adopt(progress: Callable[[int], None] = lambda _done: None) -> Adopted:
    """Seal and count what was finished before there were seals, in transactions of a thousand.

    Only behind the last entry that was adopted, and before the first that was sealed when it was
    opened: what somebody put in since is not made good by this. So a second run does nothing, and
    one that was interrupted goes on. Open ones, which the reconciler would close as ours, are
    sealed by the first run alone, or by one that goes on before anything else was sealed.
    """
    done = Adopted()
    # No database gives an entry a number below 1.
    entries = AuditEntry.objects.filter(pk__gt=0).order_by("pk")
    is_first = _is_first()
    if first := _entry_of(AuditSeal.objects.filter(kind=SealKind.OPENED).order_by("sequence")):
        entries = entries.filter(pk__lt=first)
    after = _entry_of(AuditSeal.objects.filter(kind=SealKind.ADOPTED).order_by("-sequence")) or 0
    finished = entries.filter(finished_at__isnull=False)
    while some := list(finished.filter(pk__gt=after).values_list("pk", flat=True)[:BATCH]):
        done.finished += _adopt(finished.filter(pk__gt=after, pk__lte=some[-1]))
        after = some[-1]
        progress(done.finished)
    # At last: from then on the first link of an opening bounds what may be adopted.
    if is_first:
        done.opened = _open(entries.filter(finished_at=None))
    done.left = seals.unsealed(AuditEntry.objects.all()).count()
    return done


def _is_first() -> bool:
    """Whether nothing was adopted yet, or the last thing that was sealed."""
    adopted = AuditSeal.objects.filter(kind=SealKind.ADOPTED)
    last = AuditSeal.objects.order_by("-sequence").values_list("kind", flat=True).first()
    return last == SealKind.ADOPTED or not adopted.exists()


def _entry_of(links: QuerySet[AuditSeal]) -> int | None:
    """The id of the entry of the first of these links. -1, before all, when it is gone."""
    attempt_id = links.values_list("attempt_id", flat=True).first()
    if attempt_id is None:
        return None
    found = AuditEntry.objects.filter(attempt_id=attempt_id).values_list("pk", flat=True)
    return found.first() or -1


def _adopt(entries: QuerySet[AuditEntry]) -> int:
    with transaction.atomic():
        # With the head locked, no entry that was open is finished, and sealed, meanwhile.
        head = seals.locked_head()
        some = _unsealed(entries)
        tally = Tally()
        for entry in some:
            tally.add(entry)
        seals.append_all(head, [(SealKind.ADOPTED, entry) for entry in some])
        tally.write()
    return len(some)


def _open(entries: QuerySet[AuditEntry]) -> int:
    with transaction.atomic():
        head = seals.locked_head()
        some = _unsealed(entries)
        seals.append_all(head, [(SealKind.OPENED, entry) for entry in some])
    return len(some)


def _unsealed(entries: QuerySet[AuditEntry]) -> list[Values]:
    """Of some entries, those without a link."""
    found = list(plain.dicts(entries, record.fields()))
    links = AuditSeal.objects.filter(attempt_id__in=[entry["attempt_id"] for entry in found])
    sealed = {attempt_id for (attempt_id,) in plain.rows(links.order_by(), ("attempt_id",))}
    return [entry for entry in found if entry["attempt_id"] not in sealed]
