"""What people are notified of: found by the worker, which reads what is new in the database, so
that nothing else waits for it. Delivery is in `ipadmin/services/notify.py`.

A notification says no more than its page does, and holds no secret. Texts from Katapult are made
harmless (`plain`): some targets read markup.
"""

from __future__ import annotations

import re
import unicodedata
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models import Count, Q
from django.urls import reverse
from django.utils import timezone

from ipadmin.audit.integrity import chain_end, status, unreadable
from ipadmin.models import (
    Action,
    ApiToken,
    AuditEntry,
    AuditStream,
    AuditVerification,
    Notification,
    NotificationKind,
    NotificationWatermark,
    Outcome,
    Run,
    RunState,
)
from ipadmin.models.audit_entry import with_names
from ipadmin.models.audit_link import HIGHEST
from ipadmin.services.tokens import REJECTED

# Links of the hash chain that are looked at together.
LINKS = 1000
MAX_FAILED_VERIFICATIONS = 20
# A stream that has not advanced for so long, although there is something to deliver.
STREAM_SILENCE = timedelta(minutes=10)
# How long notifications are kept.
KEPT = timedelta(days=30)
LONGEST_NAME = 60
LIVE = "live"
# With a meaning in HTML, Markdown or the formats of chats; an @ that begins a word mentions people.
MARKUP = re.compile(r"[<>\[\]`*|\\]|(?<!\w)@")

log = structlog.get_logger(__name__)


def expires_after() -> timedelta:
    return timedelta(seconds=settings.NOTIFY_EXPIRES_AFTER)


@contextmanager
def locked() -> Iterator[NotificationWatermark]:
    """The watermark, in a transaction that no other worker is in at the same time."""
    _watermark()
    with transaction.atomic():
        yield NotificationWatermark.objects.select_for_update().get(pk=1)


def collect() -> None:
    """Store the notifications of what is new. The first time there is none: the history is not
    notified of. Raises DatabaseError."""
    watermark = _watermark()
    since = max(watermark.since, timezone.now() - expires_after())
    # Links that finish an entry, and activity.
    links = status.to_deliver(watermark.sequence).filter(sequence__lte=HIGHEST)[:LINKS]
    seen, broken = unreadable.read(links, ("sequence", "attempt_id"), "sequence")
    attempts = [attempt_id for _sequence, attempt_id in seen if attempt_id]
    found = [
        *_readable("attempts", _of_attempts(attempts, since)),
        *_readable("runs", _of_runs(since)),
        *_readable("approvals", _of_approvals(since)),
        *_readable("verifications", _of_verifications(since)),
        *_readable("stream", _of_stream()),
        *_readable("tokens", _of_tokens(since)),
    ]
    keys = [each.key for each in found]
    known = set(Notification.objects.filter(key__in=keys).values_list("key", flat=True))
    new = [each for each in found if each.key not in known]
    last = max([watermark.sequence, *broken, *(sequence for sequence, _ in seen)])
    if not new and last == watermark.sequence:
        return
    with locked() as watermark:
        Notification.objects.bulk_create(new, ignore_conflicts=True)
        watermark.sequence = max(watermark.sequence, last)
        watermark.save(update_fields=["sequence"])


def request_test() -> None:
    """Notify of nothing but this test."""
    with locked():
        _new(
            NotificationKind.TEST,
            uuid.uuid4(),
            "Test of notifications",
            "An administrator sent this to see whether it arrives.",
            reverse("notifications"),
        ).save()


def delete_old() -> None:
    """Delete old notifications and their deliveries."""
    Notification.objects.filter(created_at__lt=timezone.now() - KEPT - expires_after()).delete()


def plain(text: str) -> str:
    """A text of Katapult's or a person's on one line, short and without markup."""
    visible = (" " if unicodedata.category(each)[0] in "CZ" else each for each in text)
    short = " ".join(MARKUP.sub("_", "".join(visible)).split())
    return short if len(short) <= LONGEST_NAME else f"{short[: LONGEST_NAME - 1]}…"


def _watermark() -> NotificationWatermark:
    """At the end of the history the first time."""
    new = {"sequence": chain_end.last_sequence}
    return NotificationWatermark.objects.get_or_create(pk=1, defaults=new)[0]


def _readable(source: str, found: Iterator[Notification]) -> Iterable[Notification]:
    """What a source finds; nothing if its rows were changed so that they cannot be read, which
    must not stop the others. Verification reports it. Raises DatabaseError."""
    try:
        return list(found)
    except DatabaseError:
        raise
    except Exception:
        log.exception("notifications_not_found", source=source)
        return []


def _of_attempts(attempts: list[str], since: datetime) -> Iterator[Notification]:
    """Unknown outcomes, and live attempts on VIPs and last addresses of a family."""
    finished = AuditEntry.objects.filter(attempt_id__in=attempts, finished_at__gte=since)
    is_dangerous = Q(Q(vip=True) | Q(last_of_family=True), environment=LIVE)
    relevant = finished.filter(Q(outcome=Outcome.UNKNOWN) | is_dangerous)
    for entry in with_names(relevant.order_by("id")):
        address, path = plain(entry.address), entry.get_absolute_url()
        about = f"{plain(entry.person)} tried to {_action(entry)}."
        if entry.outcome == Outcome.UNKNOWN:
            title = f"Outcome unknown: {address}"
            text = f"{about} Whether it was done is not known. Check the address in Katapult."
            yield _new(NotificationKind.OUTCOME, entry.attempt_id, title, text, path)
        if entry.environment == LIVE and (entry.vip or entry.last_of_family):
            what = "VIP" if entry.vip else "last address of its family"
            title = f"{entry.known_action.label}, {what} {address}: {entry.outcome}"
            yield _new(NotificationKind.DANGEROUS, entry.attempt_id, title, about, path)


def _action(entry: AuditEntry) -> str:
    address, of = plain(entry.address), plain(entry.organization_title)
    machine = plain(entry.allocation_name or entry.allocation_id) or "a machine"
    return {
        Action.UNALLOCATE: f"unallocate {address} from {machine} ({of})",
        Action.ALLOCATE: f"allocate {address} to {machine} ({of})",
        Action.SET_REVERSE_DNS: f"set the reverse DNS of {address} ({of})",
    }[entry.known_action]


def _of_runs(since: datetime) -> Iterator[Notification]:
    """Runs that finished or stopped."""
    ended = Run.objects.filter(state__in=[RunState.FINISHED, RunState.STOPPED])
    recent = ended.filter(finished_at__gte=since).select_related("user")
    for run in _without_known(NotificationKind.RUN, recent):
        counted = AuditEntry.objects.filter(run_id=run.pk).order_by().values_list("outcome")
        counts = sorted(counted.annotate(Count("id")))
        outcomes = ", ".join(f"{count} {outcome}" for outcome, count in counts) or "none"
        reason = plain(run.stop_reason).replace("_", " ")
        why = f" Reason: {reason}." if reason else ""
        yield _new(
            NotificationKind.RUN,
            run.pk,
            f"Run {run.state}: {_of_run(run)}",
            f"Attempts: {outcomes}.{why}",
            run.get_absolute_url(),
        )


def _of_approvals(since: datetime) -> Iterator[Notification]:
    """Runs that wait for an approval."""
    waiting = Run.objects.filter(state=RunState.WAITING, confirmed_at__gte=since)
    for run in _without_known(NotificationKind.APPROVAL, waiting.select_related("user")):
        until = f" It expires at {run.expires_at:%Y-%m-%d %H:%M} UTC." if run.expires_at else ""
        yield _new(
            NotificationKind.APPROVAL,
            run.pk,
            f"Approval requested: {_of_run(run)}",
            f"A second person approves or rejects it.{until}",
            run.get_absolute_url(),
        )


def _of_run(run: Run) -> str:
    count = run.items.filter(skip_reason="").count()
    of = f"{count} address{'' if count == 1 else 'es'} ({plain(run.organization_title)})"
    return f"{Action(run.action).label.lower()} {of} by {plain(run.user.get_username())}"


def _of_verifications(since: datetime) -> Iterator[Notification]:
    """Failed ones, and good ones whose result is not sealed."""
    recent = AuditVerification.objects.filter(finished_at__gte=since).order_by("-pk")
    for failed in status.confirmed(recent[:MAX_FAILED_VERIFICATIONS]):
        if failed.finding:
            yield _new(
                NotificationKind.VERIFICATION,
                failed.pk,
                "Verification of the history failed",
                "It found a problem, such as a changed entry. The page says what to do now.",
                reverse("verification", args=[failed.pk]),
            )


def _of_stream() -> Iterator[Notification]:
    """The stream, once for each position at which it stays for too long."""
    latest = timezone.now() - STREAM_SILENCE
    stream = AuditStream.objects.filter(target=settings.AUDIT_STREAM).first()
    if stream is None:
        return
    moved_at = stream.taken_at or stream.failing_since
    if moved_at is None or moved_at > latest:
        return
    waiting = status.to_deliver(stream.sequence).values_list("at", flat=True).first()
    if waiting and waiting < latest:
        yield _new(
            NotificationKind.STREAM,
            stream.sequence,
            "The stream of the audit log does not advance",
            f"Records wait since {waiting:%Y-%m-%d %H:%M} UTC. None is lost. The page says why.",
            reverse("integrity"),
        )


def _of_tokens(since: datetime) -> Iterator[Notification]:
    """Rejected tokens, once until they work again. Without their labels, which people choose."""
    rejected = ApiToken.objects.filter(last_error_code__in=REJECTED, last_error_at__gte=since)
    for token in rejected.select_related("owner"):
        owner, of = plain(token.owner.get_username()), plain(token.organization_title)
        checked = token.checked_at.isoformat() if token.checked_at else ""
        yield _new(
            NotificationKind.TOKEN,
            f"{token.pk}:{token.fingerprint}:{checked}",
            f"Katapult rejects an API token of {owner}",
            f"Its organization: {of or 'not chosen'}. Katapult says {token.last_error_code}.",
            token.get_absolute_url(),
        )


def _without_known(kind: NotificationKind, runs: Iterable[Run]) -> list[Run]:
    """The runs that are not notified of yet: counting their attempts takes time."""
    by_key = {f"{kind}:{run.pk}": run for run in runs}
    known = set(Notification.objects.filter(key__in=by_key).values_list("key", flat=True))
    return [run for key, run in by_key.items() if key not in known]


def _new(kind: NotificationKind, key: object, title: str, text: str, path: str) -> Notification:
    return Notification(key=f"{kind}:{key}", kind=kind, title=title, text=text, path=path)
