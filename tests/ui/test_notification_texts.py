"""The page of notifications in words."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from ipadmin.models import DeliveryState, Notification, NotificationDelivery
from ipadmin.services.notify import Target
from ipadmin.ui import notification_texts as texts
from ipadmin.ui.components import Badge

NOW = timezone.now()
SENT: dict[str, Any] = {"state": DeliveryState.SENT, "sent_at": NOW, "tries": 1}
FAILED: dict[str, Any] = {"tries": 2, "error": "It answered with status 500."}


def delivery(**fields: Any) -> NotificationDelivery:
    usual = {"target": "slack 1", "first": Notification(title="VIP", path="/audit/"), "others": 0}
    return NotificationDelivery(**usual | fields)


@pytest.mark.parametrize(
    ("newest_first", "badge"),
    [
        ([], texts.UNUSED),
        ([{}], texts.UNUSED),
        ([{}, SENT, FAILED], texts.WORKS),
        ([FAILED, SENT], texts.FAILS),
        ([FAILED | {"target": "slack 2"}, SENT], texts.WORKS),
    ],
)
def test_the_state_of_a_target_is_that_of_its_newest_try(
    newest_first: list[dict[str, Any]], badge: Badge
) -> None:
    deliveries = [delivery(**fields) for fields in newest_first]
    [row] = texts.targets([Target("slack 1", "slack://secret")], deliveries)
    assert (row.name, row.badge) == ("slack 1", badge)
    assert row.sent_at == (NOW if SENT in newest_first else None)


def test_a_delivery_says_when_it_was_or_will_be_sent() -> None:
    assert texts.row(delivery(**SENT)).at == NOW
    waiting = texts.row(delivery(**FAILED, next_at=NOW))
    assert (waiting.badge, waiting.at) == (texts.AGAIN, NOW)
    assert waiting.note == "2 tries. It answered with status 500."
    assert texts.row(delivery(**FAILED, state=DeliveryState.EXPIRED)).at is None


@pytest.mark.parametrize(
    ("others", "title"), [(0, "VIP"), (1, "VIP (and 1 other)"), (2, "VIP (and 2 others)")]
)
def test_the_others_are_counted(others: int, title: str) -> None:
    assert delivery(others=others).title == title
