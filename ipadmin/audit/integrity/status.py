"""Questions about the chain of seals itself: how long it is, who verified it, what was done to the
history. None of them counts, or reads more than a page of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from ipadmin import crypto
from ipadmin.audit.integrity import chain as audit_chain
from ipadmin.audit.integrity import unreadable, verification, verification_row
from ipadmin.models import AuditLink, AuditStream, AuditVerification, LinkKind
from ipadmin.models.audit_link import FINISHED_KINDS, HIGHEST

# A head that was taken longer ago says too little about what came since.
HEAD_MAX_AGE = timedelta(days=7)
PAST = 20
ACTS = 25
# Entries that a stream may be behind before they are no longer counted.
MOST_BEHIND = 1000

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Chain:
    """The chain by its last link. Links are numbered without a gap, so that is how many there are.

    `at` is a plain moment; None, and no key, when somebody made the link unreadable.
    """

    links: int
    at: str | None
    key_id: str
    has_key: bool


@dataclass(frozen=True, slots=True)
class Log:
    """One page of the acts on the history, newest first, with the numbers to go on from."""

    # Number, kind, plain moment and details; of an unreadable one the number alone.
    rows: Sequence[Row]
    older_than: int | None = None
    newer_than: int | None = None


@dataclass(frozen=True, slots=True)
class StreamState:
    """How far the target of AUDIT_STREAM has taken the finished entries."""

    target: str
    taken_at: datetime | None
    failing_since: datetime | None
    error: str
    # At most MOST_BEHIND and one.
    behind: int

    @property
    def is_far_behind(self) -> bool:
        return self.behind > MOST_BEHIND


def chain() -> Chain | None:
    """None when nothing was sealed yet."""
    newest = _links().order_by("-sequence")[:1]
    rows, broken = unreadable.read(newest, ("sequence", "at", "key_id"), "sequence")
    if broken:
        return Chain(broken[0], None, "", has_key=False)
    if not rows:
        return None
    ((links, at, key_id),) = rows
    return Chain(links, at, key_id, has_key=key_id in crypto.audit_keys())


def head_taken_at() -> datetime | None:
    """When a head was last printed, to be kept elsewhere."""
    return _moment(_latest(LinkKind.CHECKPOINT_CREATED, "at"))


def pruned_before() -> datetime | None:
    """Up to when entries were removed into a file; None when none ever were."""
    details = _latest(LinkKind.PRUNED, "details")
    return _moment(details.get("before")) if isinstance(details, dict) else None


def is_head_old(taken_at: datetime | None) -> bool:
    return taken_at is None or timezone.now() - taken_at > HEAD_MAX_AGE


def verifications() -> list[AuditVerification]:
    """The newest. Those that run are among them: there is one at a time."""
    newest = AuditVerification.objects.order_by("-pk")[:PAST]
    return [verification_row.as_believed(each) for each in newest]


def verify(user_name: str, head: str) -> tuple[AuditVerification, bool]:
    """Ask for a verification, one at a time: the one that runs, and False, when there is one.

    Raises ValueError when the head is none.
    """
    with transaction.atomic():
        # Whoever else asks at this moment waits here.
        audit_chain.locked_head()
        running = AuditVerification.objects.filter(finished_at=None).order_by("pk").first()
        if running:
            return running, False
        return verification.request(user_name, head), True


def log(*, before: int | None = None, after: int | None = None) -> Log:
    """The acts nearest to a link on that side of it; the newest without one."""
    is_newer = after is not None
    acts = _acts().order_by("sequence" if is_newer else "-sequence")
    if after is not None:
        acts = acts.filter(sequence__gt=after)
    elif before is not None:
        acts = acts.filter(sequence__lt=before)
    found = _read(acts[: ACTS + 1], is_newer=is_newer)
    page, goes_on = found[:ACTS], len(found) > ACTS
    if is_newer and not page:
        # Nothing was done since.
        return log()
    if is_newer:
        page.reverse()
    has_older = goes_on or is_newer
    has_newer = goes_on if is_newer else bool(before and page)
    return Log(
        page,
        older_than=page[-1][0] if has_older else None,
        newer_than=page[0][0] if has_newer else None,
    )


def stream() -> StreamState | None:
    """None when entries are streamed nowhere."""
    target = settings.AUDIT_STREAM
    if not target:
        return None
    kept = AuditStream.objects.filter(target=target).first() or AuditStream(target=target)
    ahead = AuditLink.objects.filter(sequence__gt=kept.sequence, kind__in=FINISHED_KINDS)
    # In the order of the links: the database stops at the limit.
    behind = ahead.order_by("sequence")[: MOST_BEHIND + 1].count()
    return StreamState(target, kept.taken_at, kept.failing_since, kept.error, behind)


def _latest(kind: LinkKind, field: str) -> Any:
    """Of the latest act of a kind; None without one, or one that can be read."""
    acts = _acts().filter(kind=kind).order_by("-sequence")[:1]
    rows, _broken = unreadable.read(acts, (field,), "sequence")
    return rows[0][0] if rows else None


def _moment(text: Any) -> datetime | None:
    """None where somebody made it unreadable."""
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None


def _links() -> QuerySet[AuditLink]:
    return AuditLink.objects.filter(sequence__lte=HIGHEST)


def _acts() -> QuerySet[AuditLink]:
    return _links().filter(attempt_id__isnull=True)


def _read(acts: QuerySet[AuditLink], *, is_newer: bool) -> list[Row]:
    """In the order of their numbers, with those that nobody can read."""
    rows, broken = unreadable.read(acts, ("sequence", "kind", "at", "details"), "sequence")
    rows += [(sequence, "", None, None) for sequence in broken]
    return sorted(rows, key=lambda row: row[0], reverse=not is_newer)
