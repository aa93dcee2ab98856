"""Verifications: requested on a page or every night and done by a thread of the worker, or done by
a command. The result is stored, and sealed as activity."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from ipadmin.audit.activity import Actor
from ipadmin.audit.integrity import chain, chain_end
from ipadmin.audit.integrity.checkpoint import Checkpoint, parse_checkpoint
from ipadmin.audit.integrity.walk import Progress, Walk
from ipadmin.models import AuditVerification, LinkKind
from ipadmin.models.audit_verification import VerificationStatus

HOLDS = "holds"
# Who requests the nightly verification. No user can have a name with a space.
NIGHTLY = "nightly verification"
HEARTBEAT_SECONDS = 1.0
# Without a heartbeat for so long, the worker was killed. Comparing the indexes has none: it takes
# some 10 seconds for a million entries.
SILENCE = timedelta(minutes=2)

log = structlog.get_logger(__name__)


class Superseded(Exception):
    """Another worker has taken over this verification."""


@dataclass(frozen=True)
class Result:
    """`finding` is empty when there is no problem."""

    links: int
    entries: int
    pruned: int
    finding: str


def verify(checkpoint: Checkpoint | None, progress: Progress) -> Result:
    """Verify the whole chain. Raises DatabaseError when the database does not answer."""
    walk = Walk(checkpoint, progress)
    finding = walk.finding()
    return Result(walk.total, walk.entries, walk.pruned, finding)


def request(user_name: str, checkpoint: str = "") -> tuple[AuditVerification, bool]:
    """Request a verification. One runs at a time: if there is one already, it is returned with
    False. Raises ValueError for a malformed checkpoint."""
    parsed = parse_checkpoint(checkpoint)
    with transaction.atomic():
        # Serialises requests.
        chain.locked_chain()
        running = AuditVerification.objects.exclude(status=VerificationStatus.FINISHED)
        if found := running.order_by("pk").first():
            return found, False
        requested = AuditVerification.objects.create(
            user_name=user_name,
            checkpoint=str(parsed or ""),
            links_total=chain_end.last_sequence(),
        )
        return requested, True


def request_nightly() -> None:
    """Request the verification of this night, unless that was done. A worker that did not run at
    VERIFY_AT does it later."""
    if settings.VERIFY_AT is None:
        return
    now = timezone.now()
    due = datetime.combine(now.date(), settings.VERIFY_AT, now.tzinfo)
    due -= timedelta(days=due > now)
    if not AuditVerification.objects.filter(user_name=NIGHTLY, requested_at__gte=due).exists():
        request(NIGHTLY)


def perform_requested() -> AuditVerification | None:
    """Perform the first verification that was requested, or whose worker was killed. It starts from
    the beginning."""
    verification = _claim()
    if verification is None:
        return None
    try:
        checkpoint = parse_checkpoint(verification.checkpoint)
        record(verification, verify(checkpoint, _heartbeat_of(verification)))
    except Superseded:
        log.warning("verification_superseded", verification=verification.pk)
    except DatabaseError:
        # Again, as soon as the database answers.
        _ours(verification).update(status=VerificationStatus.REQUESTED, heartbeat_at=None)
        raise
    except Exception as error:
        log.exception("verification_failed", verification=verification.pk)
        finding = (
            f"The verification failed: {type(error).__name__}. The log of the worker says more."
        )
        record(verification, Result(0, 0, 0, finding))
    return verification


def record(verification: AuditVerification, result: Result) -> None:
    """Store the result, and seal it as activity. Raises Superseded; DatabaseError when a good
    result cannot be sealed."""
    verification.status, verification.finished_at = VerificationStatus.FINISHED, timezone.now()
    verification.links_total, verification.finding = result.links, result.finding
    verification.entries, verification.pruned = result.entries, result.pruned
    if not result.finding:
        verification.links_done = result.links
    try:
        with transaction.atomic():
            chain.locked_chain()
            if verification.pk and not _ours(verification).exists():
                raise Superseded
            link = chain.add_activity(LinkKind.VERIFIED, sealed_result(verification))
            verification.result_link = link.sequence
            verification.save()
    except (DatabaseError, TypeError, ValueError, StopIteration):
        if not result.finding:
            raise
        # The chain row cannot be read, or there is no key: the finding counts more than its seal.
        log.exception("verification_not_sealed")
        verification.result_link = None
        verification.save()


def sealed_result(verification: AuditVerification) -> dict[str, object]:
    """What the link of a finished verification seals."""
    return {
        "by": Actor(user_name=verification.user_name).details(),
        "links": verification.links_total,
        "checkpoint": verification.checkpoint,
        "result": verification.finding or HOLDS,
    }


def _claim() -> AuditVerification | None:
    """Only one worker gets each: the update fails for a second one."""
    abandoned = Q(status=VerificationStatus.RUNNING, heartbeat_at__lt=timezone.now() - SILENCE)
    waiting = Q(status=VerificationStatus.REQUESTED) | abandoned
    found = AuditVerification.objects.filter(waiting).order_by("pk").first()
    if found is None:
        return None
    as_read = AuditVerification.objects.filter(pk=found.pk, status=found.status)
    as_read = as_read.filter(heartbeat_at=found.heartbeat_at)
    found.status, found.heartbeat_at = VerificationStatus.RUNNING, timezone.now()
    claimed = as_read.update(status=found.status, heartbeat_at=found.heartbeat_at, links_done=0)
    return found if claimed else None


def _ours(verification: AuditVerification) -> QuerySet[AuditVerification]:
    """Empty when another worker has taken over."""
    return AuditVerification.objects.filter(
        pk=verification.pk,
        status=VerificationStatus.RUNNING,
        heartbeat_at=verification.heartbeat_at,
    )


def _heartbeat_of(verification: AuditVerification) -> Progress:
    """Stores the progress, once a second."""
    last = time.monotonic()

    def beat(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last < HEARTBEAT_SECONDS:
            return
        last, now = time.monotonic(), timezone.now()
        if not _ours(verification).update(heartbeat_at=now, links_done=done, links_total=total):
            raise Superseded
        verification.heartbeat_at, verification.links_done = now, done

    return beat
