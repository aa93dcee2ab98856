"""What the integrity page shows: the chain, its verifications and the stream. No
query counts or reads more than a page of the history."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from ipadmin import crypto
from ipadmin.audit.activity import Actor, record
from ipadmin.audit.integrity import unreadable
from ipadmin.audit.integrity.chain import LINK_FIELDS, Link, seals_before
from ipadmin.audit.integrity.verification import sealed_result
from ipadmin.models import AuditLink, AuditStream, AuditVerification, LinkKind
from ipadmin.models.audit_link import HIGHEST

CHECKPOINT_MAX_AGE = timedelta(days=7)
MAX_VERIFICATIONS = 20
# Records that a stream may be behind before they are no longer counted.
MOST_BEHIND = 1000
NOT_CONFIRMED = "Changed: no sealed record confirms the result of this verification. Verify again."


@dataclass(frozen=True, slots=True)
class Chain:
    """The chain by its last link: links are numbered without gaps, so its number is their count.

    `at` is a raw datetime; None, and `key_id` empty, when the link cannot be read.
    """

    links: int
    at: str | None
    key_id: str
    has_key: bool


@dataclass(frozen=True, slots=True)
class StreamState:
    """How far the target of AUDIT_STREAM has received finished entries and activity."""

    target: str
    taken_at: datetime | None
    failing_since: datetime | None
    error: str
    # At most MOST_BEHIND and one.
    behind: int

    @property
    def is_far_behind(self) -> bool:
        return self.behind > MOST_BEHIND


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The latest acknowledgement of a failed verification, by the id of that verification."""

    verification: int
    finding: str
    note: str
    user_name: str
    at: datetime | None

    def covers(self, failed: AuditVerification) -> bool:
        """An older failure, or the same problem found again."""
        return failed.pk <= self.verification or failed.finding == self.finding


def chain() -> Chain | None:
    """None when there is no link yet."""
    newest = AuditLink.objects.filter(sequence__lte=HIGHEST).order_by("-sequence")[:1]
    rows, broken = unreadable.read(newest, ("sequence", "at", "key_id"), "sequence")
    if broken:
        return Chain(broken[0], None, "", has_key=False)
    if not rows:
        return None
    ((links, at, key_id),) = rows
    return Chain(links, at, key_id, has_key=key_id in crypto.audit_keys())


def checkpoint_at() -> datetime | None:
    """When a checkpoint was last printed, to be stored elsewhere."""
    return _moment(_latest(LinkKind.CHECKPOINT_CREATED, "at"))


def checkpoint_warning(created_at: datetime | None) -> str:
    """Empty when the last checkpoint is recent."""
    if created_at is None:
        return "No checkpoint stored elsewhere yet"
    if timezone.now() - created_at > CHECKPOINT_MAX_AGE:
        return f"No checkpoint for more than {CHECKPOINT_MAX_AGE.days} days"
    return ""


def pruned_before() -> datetime | None:
    """Entries created before this were removed by retention; None when none were."""
    details = _latest(LinkKind.PRUNED, "details")
    return _moment(details.get("before")) if isinstance(details, dict) else None


def verifications() -> list[AuditVerification]:
    """The newest ones, a running one included."""
    return confirmed(AuditVerification.objects.order_by("-pk")[:MAX_VERIFICATIONS])


def confirmed(some: Iterable[AuditVerification]) -> list[AuditVerification]:
    """The verifications, not to be saved: a good result that no sealed link confirms is replaced
    by a finding. Anyone who can write to the database could have written it."""
    found = list(some)
    numbers = [each.result_link for each in found if each.holds and each.result_link]
    links = AuditLink.objects.filter(sequence__in=numbers)
    rows, _broken = unreadable.read(links.order_by(), LINK_FIELDS, "sequence")
    by_number = {row[0]: Link(*row) for row in rows}
    before = seals_before(by_number)
    for each in found:
        link = by_number.get(each.result_link)
        if each.holds and not (link and _confirms(link, each, before.get(link.sequence, b""))):
            each.finding = NOT_CONFIRMED
    return found


def unacknowledged() -> AuditVerification | None:
    """The newest failed verification, unless an auditor has acknowledged it: as its row says, in
    one query if none has failed, because every page of the history asks."""
    failed = AuditVerification.objects.exclude(finding="").order_by("-pk").first()
    done = acknowledgement() if failed else None
    return None if done and failed and done.covers(failed) else failed


def acknowledgement() -> Acknowledgement | None:
    """None without any, or when its link cannot be read."""
    details = _latest(LinkKind.ACKNOWLEDGED, "details")
    try:
        return Acknowledgement(
            int(details["verification"]),
            str(details["finding"]),
            str(details["note"]),
            str(details["by"]["user_name"]),
            _moment(_latest(LinkKind.ACKNOWLEDGED, "at")),
        )
    except (KeyError, TypeError, ValueError):
        return None


def acknowledge(failed: AuditVerification, note: str, by: Actor) -> None:
    """Seal an acknowledgement as activity. Raises DatabaseError."""
    about = {"verification": failed.pk, "finding": failed.finding}
    record(LinkKind.ACKNOWLEDGED, by, **about, note=note)


def _confirms(link: Link, verification: AuditVerification, previous: bytes) -> bool:
    key = crypto.audit_keys().get(link.key_id)
    return (
        key is not None
        and link.kind == LinkKind.VERIFIED
        and link.details == sealed_result(verification)
        and link.seals_details()
        and link.is_sealed_by(key, previous)
    )


def stream() -> StreamState | None:
    """None without AUDIT_STREAM."""
    target = settings.AUDIT_STREAM
    if not target:
        return None
    kept = AuditStream.objects.filter(target=target).first() or AuditStream(target=target)
    behind = to_deliver(kept.sequence)[: MOST_BEHIND + 1].count()
    return StreamState(target, kept.taken_at, kept.failing_since, kept.error, behind)


def to_deliver(after: int) -> QuerySet[AuditLink]:
    """What a stream delivers after a link: finished entries and activity, in the order of the
    links, so that the database stops at a limit."""
    ahead = AuditLink.objects.filter(sequence__gt=after).exclude(kind=LinkKind.OPENED)
    return ahead.order_by("sequence")


def _latest(kind: LinkKind, field: str) -> Any:
    """Of the latest activity of a kind; None without any, or when it cannot be read."""
    newest = _activity().filter(kind=kind).order_by("-sequence")[:1]
    rows, _broken = unreadable.read(newest, (field,), "sequence")
    return rows[0][0] if rows else None


def _moment(text: Any) -> datetime | None:
    """None when it is not a datetime."""
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None


def _activity() -> QuerySet[AuditLink]:
    return AuditLink.objects.filter(sequence__lte=HIGHEST, attempt_id__isnull=True)
