"""The page where administrators see whether notifications arrive."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from ipadmin.models import DeliveryState, Notification, NotificationDelivery, User
from tests.conftest import ClientOf
from tests.page import Page
from tests.views.conftest import HTMX
from tests.views.katapult import HOSTILE

URL = "/notifications/"
SECRET = "planted-secret"
pytestmark = pytest.mark.django_db


@pytest.fixture
def adams(adam: User, client_of: ClientOf) -> Client:
    return client_of(adam)


@pytest.fixture
def targets(settings: Settings) -> None:
    settings.NOTIFY_URLS = [f"slack://{SECRET}/a/b", f"mailto://{SECRET}:{SECRET}@{SECRET}"]


def delivery(**fields: Any) -> NotificationDelivery:
    title = fields.pop("title", "VIP 192.0.2.7")
    count = Notification.objects.count()
    of = Notification.objects.create(key=count, kind="dangerous", title=title, path="/audit/")
    usual = {"target": "slack 1", "kind": of.kind, "first": of, "last": of.pk, "others": 0}
    expires_at = timezone.now() + timedelta(days=1)
    return NotificationDelivery.objects.create(**usual | {"expires_at": expires_at} | fields)


def test_without_targets_the_page_says_how_to_set_them(adams: Client) -> None:
    page = Page(adams.get(URL).text)
    assert "NOTIFY_URLS=slack://" in page.text
    assert "Send a test" not in page.buttons
    assert adams.post(URL).status_code == 302
    assert not Notification.objects.exists()


@pytest.mark.usefixtures("targets")
def test_only_schemes_of_targets_are_shown(adams: Client) -> None:
    text = adams.get(URL).text
    assert "Send a test" in Page(text).buttons
    assert "slack 1" in text
    assert "mailto 1" in text
    assert text.count("Not used yet") == 2
    assert SECRET not in text


@pytest.mark.usefixtures("targets")
def test_deliveries_and_their_errors(adams: Client) -> None:
    now = timezone.now()
    delivery(state=DeliveryState.SENT, sent_at=now, tries=1, others=12)
    delivery(tries=2, error="It answered with status 500.", target="mailto 1")
    delivery(state=DeliveryState.EXPIRED, tries=30, error="Refused.", target="mailto 1")
    delivery(title=f"Waits {HOSTILE}", kind="test")
    text = adams.get(URL).text
    assert "VIP 192.0.2.7 (and 12 others)" in text
    assert "2 tries. It answered with status 500." in text
    for state in ("Works", "Fails", "Sent", "Waiting", "Is tried again", "Not delivered"):
        assert state in text
    assert "Waits &lt;script&gt;" in text


@pytest.mark.usefixtures("targets")
def test_a_test_is_followed_until_each_target_has_answered(adams: Client) -> None:
    assert "hx-trigger" not in str(Page(adams.get(URL).text).one("#notifications").attributes)
    answer = adams.post(URL, follow=True)
    assert "every 1s" in str(Page(answer.content.decode()).one("#notifications").attributes)
    test = Notification.objects.get()
    assert (test.kind, test.path) == ("test", reverse("notifications"))
    fields = {"kind": "test", "first": test, "last": test.pk, "tries": 1}
    delivery(**fields, state=DeliveryState.SENT, sent_at=timezone.now())
    assert "every 1s" in adams.get(URL, headers=HTMX).text
    delivery(**fields, target="mailto 1", error="It answered with status 500.")
    part = adams.get(URL, headers=HTMX).text
    assert "every 1s" not in part
    assert "</html>" not in part


@pytest.mark.usefixtures("targets")
@pytest.mark.parametrize(
    ("fields", "is_failing"),
    [
        ({"tries": 1}, False),
        ({"tries": 2}, True),
        ({"tries": 2, "target": "removed 1"}, False),
        ({"state": DeliveryState.SENT, "tries": 9}, False),
        ({"state": DeliveryState.EXPIRED}, True),
        ({"state": DeliveryState.EXPIRED, "expires_at": timezone.now() - timedelta(days=2)}, False),
    ],
)
def test_every_page_says_to_administrators_that_notifications_fail(
    adams: Client, alices: Client, fields: dict[str, Any], is_failing: bool
) -> None:
    delivery(**fields)
    assert ("Notifications fail" in adams.get("/people/").text) is is_failing
    assert "Notifications fail" not in alices.get("/tokens/").text
