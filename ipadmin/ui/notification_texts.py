"""The page of notifications in words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from ipadmin.models import DeliveryState, NotificationDelivery
from ipadmin.services.notify import Target
from ipadmin.ui.components import Badge, Empty

TEST_REQUESTED = "The test is sent to each target. Its result appears below."
TESTING = "The test is being sent. A target gets at most one message per kind and minute."
NO_TARGETS = Empty(
    "bell-off",
    "Nobody is notified",
    "List targets in NOTIFY_URLS, with commas between, and restart the site and the worker. Each is"
    " a URL of apprise, which knows Slack, Teams, mail, webhooks and many others. For example:",
)
EXAMPLE = "NOTIFY_URLS=slack://TokenA/TokenB/TokenC,mailto://user:password@example.com"
WORKS = Badge("success", "circle-check", "Works")
FAILS = Badge("danger", "circle-x", "Fails")
UNUSED = Badge("neutral", "clock", "Not used yet")
SENT = Badge("success", "circle-check", "Sent")
WAITING = Badge("info", "clock", "Waiting")
AGAIN = Badge("warning", "refresh-cw", "Is tried again")
EXPIRED = Badge("danger", "circle-x", "Not delivered")


class TargetRow(NamedTuple):
    name: str
    badge: Badge
    sent_at: datetime | None
    error: str


class DeliveryRow(NamedTuple):
    """A message to one target. `at`: when it was sent, or is sent next; None for never."""

    delivery: NotificationDelivery
    badge: Badge
    at: datetime | None
    note: str


def targets(known: Sequence[Target], deliveries: Sequence[NotificationDelivery]) -> list[TargetRow]:
    """The targets, each with the state that its newest delivery shows. `deliveries`: newest first.
    Of a URL only the scheme is shown: the rest can be secret."""
    return [_target(each, [of for of in deliveries if of.target == each.name]) for each in known]


def _target(target: Target, deliveries: list[NotificationDelivery]) -> TargetRow:
    sent_at = max((each.sent_at for each in deliveries if each.sent_at), default=None)
    tried = next((each for each in deliveries if each.tries), None)
    if tried is None:
        return TargetRow(target.name, UNUSED, sent_at, "")
    badge = FAILS if tried.error else WORKS
    return TargetRow(target.name, badge, sent_at, tried.error)


def row(delivery: NotificationDelivery) -> DeliveryRow:
    badge, at = _state(delivery)
    tries = f"{delivery.tries} tries. " if delivery.tries > 1 else ""
    return DeliveryRow(delivery, badge, at, f"{tries}{delivery.error}")


def _state(delivery: NotificationDelivery) -> tuple[Badge, datetime | None]:
    if delivery.state == DeliveryState.SENT:
        return SENT, delivery.sent_at
    if delivery.state == DeliveryState.EXPIRED:
        return EXPIRED, None
    return (AGAIN if delivery.tries else WAITING), delivery.next_at
