"""Delivery of notifications with apprise to the targets of NOTIFY_URLS, by the worker.

Each target gets at most one message per kind and minute, which says how many others there are. A
message that is not accepted is sent again after growing pauses, until it expires. A worker sets
`next_at` ahead before it sends: no other one sends the message meanwhile. If it is killed after the
target accepted the message and before that is stored, the message is sent once more.

No error names any part of a URL: all of it can be secret, with some schemes the host too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import structlog
from django.conf import settings
from django.db.models import Count, F, Max, Min, Q
from django.utils import timezone

from ipadmin.models import DeliveryState, Notification, NotificationDelivery, NotificationKind
from ipadmin.services import notifications

MINUTE = timedelta(minutes=1)
# Longer than any target takes: apprise waits 4 seconds for each part of an answer.
CLAIM = timedelta(minutes=2)
LONGEST_PAUSE = timedelta(hours=1)
MOST_SHOWN = 50
# Of NOTIFY_EXPIRES_AFTER, in seconds.
MIN_EXPIRY, MAX_EXPIRY = 60, 7 * 24 * 60 * 60
UNANSWERED = "It is being sent, or has not answered."
NOT_A_TARGET = "Its URL in NOTIFY_URLS is not one of apprise."
NOT_REACHED = "It cannot be reached, did not answer, or refused the message."

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Target:
    """A URL of NOTIFY_URLS. `name`: its scheme, and its number among those with that scheme."""

    name: str
    url: str = field(repr=False)


class NotSent(Exception):
    """Why a target did not accept a message, as a sentence without any secret."""


def targets() -> list[Target]:
    found: list[Target] = []
    for url in settings.NOTIFY_URLS:
        scheme = url.partition("://")[0].lower()[:40]
        number = 1 + sum(each.name.startswith(f"{scheme} ") for each in found)
        found.append(Target(f"{scheme} {number}", url))
    return found


def problems() -> Iterator[tuple[str, str, str]]:
    """For the system checks: id, problem and hint. No URL is shown."""
    for number, url in enumerate(settings.NOTIFY_URLS, start=1):
        if not _is_usable(url):
            hint = "Write it as apprise's documentation says, or remove it."
            yield "E060", f"URL {number} of NOTIFY_URLS cannot be used with apprise.", hint
    if not MIN_EXPIRY <= settings.NOTIFY_EXPIRES_AFTER <= MAX_EXPIRY:
        hint = f"Set it to seconds from {MIN_EXPIRY} to {MAX_EXPIRY}."
        yield "E061", "NOTIFY_EXPIRES_AFTER is too short or too long.", hint


def _is_usable(url: str) -> bool:
    # Late: importing it takes a second, and few processes need it.
    from apprise import Apprise  # noqa: PLC0415

    return Apprise.instantiate(url) is not None


def deliveries() -> list[NotificationDelivery]:
    """The newest ones, those that wait first."""
    found = NotificationDelivery.objects.select_related("first")
    waiting = found.filter(state=DeliveryState.WAITING)
    return [*waiting, *found.exclude(state=DeliveryState.WAITING)[:MOST_SHOWN]]


def is_failing() -> bool:
    """Whether a message to a present target waits in vain, or was given up within the last day."""
    in_vain = Q(state=DeliveryState.WAITING, tries__gt=1)
    given_up = Q(state=DeliveryState.EXPIRED, expires_at__gt=timezone.now() - timedelta(days=1))
    names = [target.name for target in targets()]
    return NotificationDelivery.objects.filter(in_vain | given_up, target__in=names).exists()


def is_testing() -> bool:
    """Whether a target has not answered to the last test, for the first two minutes."""
    tests = Notification.objects.filter(kind=NotificationKind.TEST)
    test = tests.filter(created_at__gt=timezone.now() - 2 * MINUTE).order_by("-id").first()
    if test is None:
        return False
    tried = NotificationDelivery.objects.filter(kind=test.kind, last__gte=test.pk, tries__gt=0)
    return tried.exclude(error=UNANSWERED).count() < len(settings.NOTIFY_URLS)


def prepare() -> None:
    """Put new notifications into messages, unless one of their kind waits or was sent within the
    last minute, and give up messages that expired. Raises DatabaseError."""
    _expire()
    # First without the lock, for which all writers of SQLite wait.
    if list(_new_messages()):
        with notifications.locked():
            NotificationDelivery.objects.bulk_create(_new_messages())


def send_due(target: Target) -> bool:
    """Send the next message that is due to a target. False when there is none, or another worker
    sends it. Raises DatabaseError."""
    message = _claim(target)
    if message is None:
        return False
    ours = NotificationDelivery.objects.filter(pk=message.pk)
    try:
        send(target, message.title, _body(message))
    except NotSent as error:
        pause = min(MINUTE * 2 ** min(message.tries - 1, 10), LONGEST_PAUSE)
        failed = ours.filter(next_at=message.next_at)
        failed.update(next_at=timezone.now() + pause, error=str(error))
        log.warning("notification_not_sent", target=target.name, error=str(error))
    else:
        ours.update(state=DeliveryState.SENT, sent_at=timezone.now(), error="")
        log.info("notification_sent", target=target.name, kind=message.kind)
    return True


def send(target: Target, title: str, body: str) -> None:
    """Send plain text in this thread. The title names the site. Raises NotSent."""
    from apprise import Apprise, AppriseAsset, NotifyFormat  # noqa: PLC0415

    site = "IP admin, sandbox" if settings.SANDBOX else "IP admin"
    # One after the other and without a limit for all of it: apprise would wait for a target in
    # a pool of threads, which targets that never answer would fill.
    asset = AppriseAsset(
        app_id="IP admin",
        app_desc="IP admin",
        app_url=settings.SITE_URL,
        async_mode=False,
        service_timeout=0,
        http_redirects=False,
        interpret_emojis=False,
    )
    sender = Apprise(asset=asset)
    try:
        is_usable = sender.add(target.url)
        result = sender.notify(body=body, title=f"{site}: {title}", body_format=NotifyFormat.TEXT)
    except Exception:  # noqa: BLE001
        # Without its text and traceback, which may quote the URL.
        raise NotSent(NOT_REACHED) from None
    if not is_usable:
        raise NotSent(NOT_A_TARGET)
    if not result:
        raise NotSent(_reason(" ".join(str(entry.message) for entry in result.logs())))


def _reason(logged: str) -> str:
    """What apprise logged, reduced to the HTTP status: the rest may quote the URL."""
    found = re.search(r"error=(\d{3})\b", logged)
    return f"It answered with status {found[1]}." if found else NOT_REACHED


def _body(message: NotificationDelivery) -> str:
    lines = [message.first.text, f"{settings.SITE_URL}{message.first.path}"]
    if message.others:
        many = f"{message.others} other{'s' if message.others > 1 else ''}"
        lines.append(f"And {many} of this kind: {message.get_kind_display()}.")
    return "\n\n".join(lines)


def _new_messages() -> Iterator[NotificationDelivery]:
    """Of each target and kind, if there are new notifications and it may get a message now."""
    now, expires_after = timezone.now(), notifications.expires_after()
    recent = Notification.objects.filter(created_at__gt=now - expires_after).order_by()
    newest = dict(recent.values_list("kind").annotate(Max("id")))
    for target in targets():
        earlier = NotificationDelivery.objects.filter(target=target.name).order_by()
        last = dict(earlier.values_list("kind").annotate(Max("last")))
        is_busy = Q(state=DeliveryState.WAITING) | Q(sent_at__gt=now - MINUTE)
        busy = set(earlier.filter(is_busy).values_list("kind", flat=True))
        for kind in NotificationKind.values:
            if kind in busy or newest.get(kind, 0) <= last.get(kind, 0):
                continue
            new = recent.filter(kind=kind, id__gt=last.get(kind, 0))
            found = new.aggregate(
                first=Min("id"), last=Max("id"), at=Max("created_at"), count=Count("id")
            )
            yield NotificationDelivery(
                target=target.name,
                kind=kind,
                first_id=found["first"],
                last=found["last"],
                others=found["count"] - 1,
                expires_at=found["at"] + expires_after,
            )


def _claim(target: Target) -> NotificationDelivery | None:
    """The next message that is due, which no other worker sends for the time of CLAIM."""
    now = timezone.now()
    waiting = NotificationDelivery.objects.filter(state=DeliveryState.WAITING)
    due = waiting.filter(target=target.name, next_at__lte=now).select_related("first")
    message = due.order_by("next_at", "id").first()
    if message is None:
        return None
    as_read = waiting.filter(pk=message.pk, next_at=message.next_at)
    message.next_at, message.tries = now + CLAIM, message.tries + 1
    changes = {"tries": F("tries") + 1, "error": UNANSWERED}
    return message if as_read.update(next_at=message.next_at, **changes) else None


def _expire() -> None:
    """Give up messages that are too old, also those to targets that were removed."""
    now = timezone.now()
    # Not one that is being sent.
    old = NotificationDelivery.objects.filter(
        state=DeliveryState.WAITING, expires_at__lte=now, next_at__lte=now
    )
    # An update would wait for the lock of SQLite, even if it changes nothing.
    if old.exists() and (expired := old.update(state=DeliveryState.EXPIRED)):
        log.warning("notifications_expired", messages=expired)
