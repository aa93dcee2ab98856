"""Several workers that look for notifications and send them at the same time."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from ipadmin.models import Notification, NotificationDelivery, Outcome
from ipadmin.services import notifications, notify
from tests.history import keep
from tests.receivers import receiving
from tests.services.test_notify import accept
from tests.services.test_oauth_at_once import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def work() -> None:
    """What the threads of a worker do, several times."""
    for _ in range(3):
        notifications.collect()
        notify.prepare()
        for target in notify.targets():
            notify.send_due(target)


def test_each_message_is_sent_once(settings: Settings) -> None:
    notifications.collect()
    for _ in range(3):
        keep(outcome=Outcome.UNKNOWN)
    notifications.request_test()
    with receiving(accept) as receiver:
        settings.NOTIFY_URLS = [f"json://127.0.0.1:{receiver.server_port}/{n}" for n in range(2)]
        at_once(work)
    titles = sorted(document["title"] for [document] in receiver.batches)
    unknown = "IP admin, sandbox: Outcome unknown: 192.0.2.7 (and 2 others)"
    assert titles == [unknown, unknown, *["IP admin, sandbox: Test of notifications"] * 2]
    assert Notification.objects.count() == 4
    assert set(NotificationDelivery.objects.values_list("state", "tries")) == {("sent", 1)}
