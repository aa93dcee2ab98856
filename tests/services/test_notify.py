"""Delivery of notifications, to a receiver on this machine."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator

import pytest
import time_machine
from django.utils import timezone
from pytest_django import Settings

from ipadmin.models import (
    DeliveryState,
    Notification,
    NotificationDelivery,
    NotificationKind,
    NotificationWatermark,
)
from ipadmin.services import notify
from ipadmin.services.notify import NotSent, Target
from tests.receivers import Behaviour, Handler, Receiver, answer_with, receiving
from tests.services.test_canary import everything_in_the_database

SECRET = "planted-secret"
HOSTILE = "<b>[x](http://evil.example)</b> & <!channel>"
pytestmark = pytest.mark.django_db

Wait = Callable[[float], None]


def accept(handler: Handler) -> None:
    body = handler.rfile.read(int(handler.headers["Content-Length"]))
    handler.server.batches.append([json.loads(body)])
    handler.answer(200)


def refuse(status: int) -> Behaviour:
    return answer_with(status)


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    """The only target; it accepts by default."""
    with receiving(accept) as receiver:
        settings.NOTIFY_URLS = [f"json://me:{SECRET}@127.0.0.1:{receiver.server_port}/{SECRET}"]
        settings.SITE_URL = "https://ip.example.com"
        NotificationWatermark.objects.create(pk=1)
        yield receiver


@pytest.fixture
def wait() -> Iterator[Wait]:
    """Lets seconds pass."""
    with time_machine.travel(timezone.now(), tick=False) as traveller:
        yield traveller.shift


def found(title: str = "VIP", kind: NotificationKind = NotificationKind.DANGEROUS) -> Notification:
    count = Notification.objects.count()
    text, path = "alice: unallocate 192.0.2.7.", "/audit/"
    return Notification.objects.create(key=count, kind=kind, title=title, text=text, path=path)


def work() -> None:
    """What the threads of a worker do once."""
    notify.prepare()
    for target in notify.targets():
        while notify.send_due(target):
            pass


def received(receiver: Receiver) -> list[str]:
    titles = [document["title"] for [document] in receiver.batches]
    return [title.removeprefix("IP admin, sandbox: ") for title in titles]


def test_a_notification_is_sent_once_with_a_link(receiver: Receiver) -> None:
    found()
    work()
    work()
    [[document]] = receiver.batches
    assert document["title"] == "IP admin, sandbox: VIP"
    assert document["message"].split() == [
        *("alice:", "unallocate", "192.0.2.7.", "https://ip.example.com/audit/")
    ]
    delivery = NotificationDelivery.objects.get()
    assert (delivery.state, delivery.tries, delivery.error) == (DeliveryState.SENT, 1, "")


def test_one_message_per_kind_and_minute_counts_the_others(receiver: Receiver, wait: Wait) -> None:
    found("first")
    work()
    for number in range(13):
        found(f"VIP {number}")
    found("Unknown", NotificationKind.OUTCOME)
    wait(59)
    work()
    assert received(receiver) == ["first", "Unknown"]
    wait(1)
    work()
    assert received(receiver)[2:] == ["VIP 0 (and 12 others)"]
    assert "And 12 others of this kind" in receiver.batches[-1][0]["message"]
    wait(60)
    work()
    assert len(receiver.batches) == 3


def test_what_is_refused_is_sent_again_after_growing_pauses(receiver: Receiver, wait: Wait) -> None:
    receiver.behaviours = [refuse(503), refuse(503)]
    found("first")
    work()
    delivery = NotificationDelivery.objects.get()
    assert delivery.error == "It answered with status 503."
    found("second")
    for seconds, tries in [(59, 1), (1, 2), (119, 2), (1, 3)]:
        wait(seconds)
        work()
        assert len(receiver.headers) == tries
    assert received(receiver) == ["first"]
    wait(60)
    work()
    assert received(receiver) == ["first", "second"]


def test_what_is_never_accepted_expires(receiver: Receiver, settings: Settings, wait: Wait) -> None:
    settings.NOTIFY_EXPIRES_AFTER = 300
    receiver.behaviours = [refuse(500)] * 20
    found()
    for _ in range(30):
        work()
        wait(30)
    assert 2 <= len(receiver.headers) <= 4
    delivery = NotificationDelivery.objects.get()
    assert delivery.state == DeliveryState.EXPIRED
    assert "status 500" in delivery.error
    assert notify.is_failing()


def test_what_has_expired_before_it_could_be_sent_is_not_sent(
    receiver: Receiver, wait: Wait
) -> None:
    found()
    wait(24 * 60 * 60)
    work()
    assert receiver.batches == []


def test_each_target_gets_its_own_message(receiver: Receiver, settings: Settings) -> None:
    settings.NOTIFY_URLS = [*settings.NOTIFY_URLS, "json://127.0.0.1:9/down"]
    found()
    work()
    assert [each.name for each in notify.targets()] == ["json 1", "json 2"]
    states = NotificationDelivery.objects.order_by("target").values_list("target", "state")
    assert list(states) == [("json 1", "sent"), ("json 2", "waiting")]
    assert received(receiver) == ["VIP"]


def test_a_message_that_another_worker_sends_is_not_sent(receiver: Receiver, wait: Wait) -> None:
    found()
    notify.prepare()
    [target] = notify.targets()
    claimed = notify._claim(target)
    assert claimed
    assert not notify.send_due(target)
    # That worker was killed.
    wait(notify.CLAIM.total_seconds())
    assert notify.send_due(target)
    assert received(receiver) == ["VIP"]


def test_workers_that_read_the_same_message_send_it_once(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one claims it after this one has read it."""
    found()
    notify.prepare()
    [target] = notify.targets()
    stale = NotificationDelivery.objects.select_related("first").get()
    assert notify.send_due(target)
    again = NotificationDelivery.objects.filter(pk=stale.pk, next_at=stale.next_at)
    assert not again.update(tries=9)
    assert not notify.send_due(target)
    assert received(receiver) == ["VIP"]


def test_text_is_plain(receiver: Receiver) -> None:
    found(HOSTILE)
    work()
    assert received(receiver) == [HOSTILE]


def test_text_is_escaped_where_the_target_reads_html(
    receiver: Receiver, settings: Settings
) -> None:
    settings.NOTIFY_URLS = [f"{settings.NOTIFY_URLS[0]}?format=html"]
    Notification.objects.create(key="x", kind="token", title="x", text=HOSTILE, path="/")
    work()
    [[document]] = receiver.batches
    assert "&lt;b&gt;" in document["message"]
    assert "<b>" not in document["message"]


@pytest.mark.parametrize("status", [401, 404, 599])
def test_no_part_of_the_url_is_stored_or_shown(receiver: Receiver, status: int) -> None:
    """Nor logged: tests/services/test_notify_worker.py."""
    receiver.behaviours = [refuse(status)]
    found()
    work()
    assert NotificationDelivery.objects.get().error == f"It answered with status {status}."
    assert SECRET not in f"{everything_in_the_database()}{notify.targets()}"


@pytest.mark.parametrize(
    ("url", "error"),
    [
        (f"json://127.0.0.1:9/{SECRET}", notify.NOT_REACHED),
        (f"slack://{SECRET}", notify.NOT_A_TARGET),
        (f"nothing://{SECRET}", notify.NOT_A_TARGET),
    ],
)
def test_a_target_that_does_not_work(url: str, error: str) -> None:
    with pytest.raises(NotSent) as raised:
        notify.send(Target("x 1", url), "title", "body")
    assert str(raised.value) == error


def test_a_target_that_hangs_delays_no_other(receiver: Receiver, settings: Settings) -> None:
    """apprise gives up, and holds no transaction meanwhile."""
    hangs = threading.Event()

    def hang(handler: Handler) -> None:
        hangs.set()
        handler.server.is_over.wait(10)

    receiver.behaviours = [hang]
    url = f"{settings.NOTIFY_URLS[0]}?rto=0.5"
    errors: list[str] = []

    def send() -> None:
        try:
            notify.send(Target("json 1", url), "hangs", "body")
        except NotSent as error:
            errors.append(str(error))

    thread = threading.Thread(target=send)
    thread.start()
    assert hangs.wait(5)
    found()
    work()
    assert received(receiver) == ["VIP"]
    thread.join(5)
    assert errors == [notify.NOT_REACHED]
