"""What people are notified of."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from ipadmin.audit.integrity import status, verification
from ipadmin.models import (
    ApiToken,
    AuditEntry,
    AuditStream,
    AuditVerification,
    Notification,
    NotificationWatermark,
    Outcome,
    Run,
    RunState,
    User,
)
from ipadmin.services import notifications
from tests import tampering
from tests.history import keep
from tests.services.conftest import PLANTED

HOUR = timedelta(hours=1)
pytestmark = pytest.mark.django_db


def found() -> list[tuple[str, str, str]]:
    """What a second look finds no more of."""
    notifications.collect()
    notifications.collect()
    return list(Notification.objects.order_by("id").values_list("kind", "title", "text"))


@pytest.fixture(autouse=True)
def started(db: None) -> None:
    """A worker that runs for an hour."""
    notifications.collect()
    NotificationWatermark.objects.update(since=timezone.now() - HOUR)


def unknown(**fields: Any) -> AuditEntry:
    return keep(outcome=Outcome.UNKNOWN, **fields)


def test_the_history_before_the_first_look_is_not_notified_of() -> None:
    NotificationWatermark.objects.all().delete()
    unknown()
    assert found() == []
    unknown()
    assert len(found()) == 1


def test_an_outcome_that_stayed_unknown() -> None:
    entry = unknown()
    [(kind, title, text)] = found()
    assert (kind, title) == ("outcome", "Outcome unknown: 192.0.2.7")
    assert text.startswith("alice tried to unallocate 192.0.2.7 from web-01 (Acme). ")
    assert Notification.objects.get().path == entry.get_absolute_url()


def test_attempts_that_nobody_needs_to_know_of() -> None:
    keep()
    keep(environment="live", last_of_family=False)
    keep(vip=True)
    tampering.opened(vip=True)
    assert found() == []


@pytest.mark.parametrize(
    ("fields", "title"),
    [
        ({"vip": True}, "Unallocate, VIP 192.0.2.7: succeeded"),
        (
            {"last_of_family": True, "outcome": Outcome.FAILED},
            "Unallocate, last address of its family 192.0.2.7: failed",
        ),
        ({"vip": True, "action": "allocate"}, "Allocate, VIP 192.0.2.7: succeeded"),
        ({"vip": True, "action": "set_reverse_dns"}, "Set reverse DNS, VIP 192.0.2.7: succeeded"),
    ],
)
def test_a_live_attempt_on_a_vip_or_a_last_address(fields: dict[str, Any], title: str) -> None:
    keep(environment="live", **fields)
    [(kind, shown, _text)] = found()
    assert (kind, shown) == ("dangerous", title)


def test_what_is_older_than_its_expiry_is_not_notified_of(settings: Settings) -> None:
    settings.NOTIFY_EXPIRES_AFTER = 60
    unknown(finished_at=timezone.now() - timedelta(seconds=61))
    assert found() == []


def run(alice: User, **fields: Any) -> Run:
    made = Run.objects.create(user=alice, organization_name="Acme", **fields)
    for position in range(2):
        made.items.create(position=position, address_id=f"ip_{position}")
    return made


@pytest.fixture
def _run_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Run, "get_absolute_url", lambda self: f"/runs/{self.pk}/")


@pytest.mark.usefixtures("_run_page")
def test_a_run_that_ended(alice: User) -> None:
    now = timezone.now()
    finished = run(alice, state=RunState.FINISHED, finished_at=now)
    keep(run_id=finished.pk)
    keep(run_id=finished.pk, outcome=Outcome.FAILED)
    run(alice, state=RunState.STOPPED, finished_at=now, stop_reason="organization_suspended")
    run(alice, state=RunState.RUNNING)
    run(alice, state=RunState.FINISHED, finished_at=now - 2 * HOUR)
    of = "unallocate 2 addresses (Acme) by alice"
    assert sorted(found()) == [
        ("run", f"Run finished: {of}", "Attempts: 1 failed, 1 succeeded."),
        ("run", f"Run stopped: {of}", "Attempts: none. Reason: organization suspended."),
    ]


@pytest.mark.usefixtures("_run_page")
def test_a_request_for_approval(alice: User) -> None:
    now = timezone.now()
    asked = run(alice, state=RunState.WAITING, confirmed_at=now, expires_at=now)
    [(kind, title, text)] = found()
    assert (kind, title) == (
        "approval",
        "Approval requested: unallocate 2 addresses (Acme) by alice",
    )
    assert text.endswith(f"It expires at {now:%Y-%m-%d %H:%M} UTC.")
    assert Notification.objects.get().path == f"/runs/{asked.pk}/"


def test_a_failed_verification() -> None:
    entry = tampering.finished()
    tampering.column(entry, "user_name", "mallory")
    verification.request("audrey")
    verification.perform_requested()
    [(kind, _title, text)] = found()
    assert kind == "verification"
    assert "mallory" not in text


def test_a_good_verification_is_notified_of_only_if_its_result_is_not_sealed() -> None:
    tampering.finished()
    verification.request("audrey")
    verification.perform_requested()
    assert found() == []
    AuditVerification.objects.update(result_link=None)
    assert [kind for kind, *_ in found()] == ["verification"]


@pytest.mark.parametrize(
    ("record_minutes", "moved_minutes", "is_found"),
    [(11, 11, True), (11, 1, False), (1, 11, False)],
)
def test_a_stream_that_does_not_advance(
    settings: Settings, record_minutes: int, moved_minutes: int, is_found: bool
) -> None:
    """When the oldest record and the last delivery are both old."""
    settings.AUDIT_STREAM = "https://siem.example/secret-path"
    now = timezone.now()
    AuditStream.objects.create(
        target=settings.AUDIT_STREAM,
        taken_at=now - timedelta(minutes=moved_minutes),
        failing_since=now,
        error="it answered with status 500",
    )
    keep()
    at = now - timedelta(minutes=record_minutes)
    tampering.execute("UPDATE ipadmin_auditlink SET at = %s", at)
    assert [kind for kind, *_ in found()] == ["stream"] * is_found
    assert "secret-path" not in repr(found())


def test_a_rejected_token_once_until_it_works_again(token: ApiToken) -> None:
    def reject() -> None:
        now = timezone.now()
        ApiToken.objects.update(last_error_code="invalid_api_token", last_error_at=now)

    token.label = f"label {PLANTED}"
    token.save()
    reject()
    [(kind, title, text)] = found()
    assert (kind, title) == ("token", "Katapult rejects an API token of alice")
    assert text == "Its organization: Acme. Katapult says invalid_api_token."
    reject()
    assert len(found()) == 1
    ApiToken.objects.update(checked_at=timezone.now(), last_error_code="")
    reject()
    assert len(found()) == 2


def test_a_token_with_another_error_is_not_rejected(token: ApiToken) -> None:
    now = timezone.now()
    ApiToken.objects.update(last_error_code="rate_limit_reached", last_error_at=now)
    assert found() == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("web-01", "web-01"),
        ("a\nb\r\t\u202ec\0", "a b c"),
        ("<!channel> [x](http://evil.example)", "_!channel_ _x_(http://evil.example)"),
        ("@everyone and me@example.com", "_everyone and me@example.com"),
        ("x" * 100, "x" * 59 + "…"),
    ],
)
def test_texts_from_elsewhere_are_plain(text: str, shown: str) -> None:
    assert notifications.plain(text) == shown


def test_names_from_katapult_are_plain() -> None:
    unknown(allocation_name="<b>web</b>\n@here", organization_name="`Acme`")
    [(_kind, _title, text)] = found()
    assert text.startswith("alice tried to unallocate 192.0.2.7 from _b_web_/b_ _here (_Acme_).")


def test_what_cannot_be_read_stops_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_since: object) -> Any:
        raise ValueError("not a datetime")

    monkeypatch.setattr(status, "confirmed", broken)
    unknown()
    assert [kind for kind, *_ in found()] == ["outcome"]


def test_old_notifications_are_deleted() -> None:
    unknown()
    assert len(found()) == 1
    old = timezone.now() - notifications.KEPT - timedelta(days=2)
    notifications.delete_old()
    assert Notification.objects.exists()
    Notification.objects.update(created_at=old)
    notifications.delete_old()
    assert not Notification.objects.exists()
