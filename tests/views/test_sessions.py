"""The page of the reader's own sessions, and what ends them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from ipadmin.management.commands import worker
from ipadmin.models import AuditLink, LinkKind, Session, User
from ipadmin.sessions import SessionStore, hashed
from ipadmin.ui import session_texts
from tests.conftest import PASSWORD, ClientOf

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
    "Gecko) Version/18.0 Mobile/15E148 Safari/604.1"
)
NEW = "quite another passphrase"
pytestmark = pytest.mark.django_db


def sign_in(address: str, agent: str, name: str = "alice") -> Client:
    client = Client(REMOTE_ADDR=address, HTTP_USER_AGENT=agent)
    form = {"login": name, "password": PASSWORD}
    assert client.post("/accounts/login/", form).status_code == 302
    return client


def is_signed_in(client: Client) -> bool:
    return client.get("/tokens/").status_code == 200


def row_of(client: Client) -> Session:
    return Session.objects.get(pk=hashed(client.session.session_key or ""))


def ended_by() -> list[dict[str, Any]]:
    links = AuditLink.objects.filter(kind=LinkKind.SESSIONS_ENDED)
    return [dict(link.details or {}) for link in links]


@pytest.fixture
def here(alice: User) -> Client:
    return sign_in("198.51.100.1", FIREFOX)


@pytest.fixture
def there(alice: User) -> Client:
    return sign_in("203.0.113.2", SAFARI)


def test_the_list_names_device_and_address(here: Client, there: Client) -> None:
    page = here.get(reverse("sessions")).text
    for text in ("Firefox on Windows", "198.51.100.1", "Safari on an iPhone", "203.0.113.2"):
        assert text in page
    assert page.count("This session") == 1


def test_nobody_sees_the_sessions_of_others(here: Client, bob: User) -> None:
    sign_in("192.0.2.99", SAFARI, "bob")
    assert "192.0.2.99" not in here.get(reverse("sessions")).text


def test_ending_one_session(here: Client, there: Client) -> None:
    other = sign_in("192.0.2.3", FIREFOX)
    form = {"session": row_of(there).pk}
    page = here.post(reverse("sessions"), form, follow=True)
    assert "1 session was ended." in page.text
    assert [is_signed_in(each) for each in (here, there, other)] == [True, False, True]
    [link] = ended_by()
    assert (link["person"], link["sessions"]) == ("alice", 1)
    assert link["by"]["source_ip"] == "198.51.100.1"


def test_ending_all_others(here: Client, there: Client) -> None:
    other = sign_in("192.0.2.3", FIREFOX)
    page = here.post(reverse("sessions"), follow=True)
    assert "2 sessions were ended." in page.text
    assert [is_signed_in(each) for each in (here, there, other)] == [True, False, False]


def test_this_session_is_not_ended_here(here: Client) -> None:
    here.post(reverse("sessions"), {"session": row_of(here).pk})
    assert is_signed_in(here)
    assert ended_by() == []


def test_nobody_ends_the_session_of_another(here: Client, bob: User) -> None:
    bobs = sign_in("192.0.2.99", SAFARI, "bob")
    for form in ({"session": row_of(bobs).pk}, {}):
        here.post(reverse("sessions"), form)
    assert is_signed_in(bobs)


def test_an_ended_session_says_so(here: Client, there: Client) -> None:
    here.post(reverse("sessions"))
    page = there.get("/tokens/", follow=True)
    assert "this session was ended in another browser" in page.text


def test_a_changed_password_ends_the_others(here: Client, there: Client) -> None:
    form = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
    assert here.post("/accounts/password/change/", form).status_code == 302
    assert [is_signed_in(each) for each in (here, there)] == [True, False]
    assert Session.objects.count() == 1
    link = AuditLink.objects.get(kind=LinkKind.PASSWORD_CHANGED)
    assert link.details
    assert (link.details["person"], link.details["sessions"]) == ("alice", 1)


def test_without_a_record_the_password_stays(
    here: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("the chain is locked")

    monkeypatch.setattr("ipadmin.receivers.record", refuse)
    here.raise_request_exception = False
    form = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
    assert here.post("/accounts/password/change/", form).status_code == 500
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)


def test_an_idle_session_is_neither_listed_nor_used(
    here: Client, there: Client, settings: Settings
) -> None:
    Session.objects.filter(pk=row_of(there).pk).update(
        last_seen_at=timezone.now() - timedelta(seconds=settings.SESSION_IDLE_TIMEOUT + 1)
    )
    assert "203.0.113.2" not in here.get(reverse("sessions")).text
    page = there.get("/tokens/", follow=True)
    assert "this site was not used for 2 hours" in page.text


def test_an_expired_session_says_so(here: Client) -> None:
    Session.objects.update(expire_date=timezone.now())
    assert "a session lasts 12 hours" in here.get("/tokens/", follow=True).text


def test_a_session_that_nobody_signed_in_to_says_nothing(client: Client) -> None:
    session = client.session
    session["something"] = 1
    session.save()
    Session.objects.update(expire_date=timezone.now())
    assert "You were signed out" not in client.get("/tokens/", follow=True).text


def long_ago(client: Client) -> timedelta:
    """Since when the session was not used, after a request that the caller makes."""
    return timezone.now() - row_of(client).last_seen_at


def test_a_person_extends_the_session_and_polling_does_not(here: Client) -> None:
    Session.objects.update(last_seen_at=timezone.now() - timedelta(hours=1))
    here.get("/tokens/", headers={"X-Background": "yes"})
    assert long_ago(here) > timedelta(minutes=59)
    assert here.post(reverse("stay")).status_code == 204
    assert long_ago(here) < timedelta(minutes=1)


def test_staying_needs_a_session(client: Client) -> None:
    assert client.post(reverse("stay")).status_code == 302
    assert client.get(reverse("stay")).status_code == 302


def test_the_worker_deletes_expired_sessions(here: Client, there: Client) -> None:
    Session.objects.filter(pk=row_of(there).pk).update(expire_date=timezone.now())
    SessionStore.clear_expired()
    assert Session.objects.get() == row_of(here)
    assert worker.DELETE_EXPIRED_EVERY_SECONDS <= 3600


def test_a_password_that_someone_else_set_is_changed_first(here: Client, alice: User) -> None:
    User.objects.update(must_change_password=True)
    for path in ("/", "/tokens/", reverse("sessions"), "/nowhere/"):
        answer = here.get(path)
        assert answer.status_code in {302, 404}
        assert answer.status_code == 404 or answer["Location"] == "/accounts/password/change/"
    answer = here.get("/tokens/", headers={"HX-Request": "true"})
    assert answer["HX-Redirect"] == "/accounts/password/change/"
    assert here.post(reverse("stay")).status_code == 204
    page = here.get("/accounts/password/change/").text
    assert "Choose a password of your own" in page
    assert "Cancel" not in page
    same = {"oldpassword": PASSWORD, "password1": PASSWORD, "password2": PASSWORD}
    assert "This is your password already" in here.post("/accounts/password/change/", same).text
    new = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
    assert here.post("/accounts/password/change/", new).status_code == 302
    assert is_signed_in(here)
    alice.refresh_from_db()
    assert not alice.must_change_password


def test_a_person_without_a_password_has_none_to_change(alice: User, client_of: ClientOf) -> None:
    alice.must_change_password = True
    alice.set_unusable_password()
    alice.save()
    assert is_signed_in(client_of(alice))


@pytest.mark.parametrize(
    ("agent", "device"),
    [
        (FIREFOX, "Firefox on Windows"),
        (SAFARI, "Safari on an iPhone"),
        ("Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0 Safari/537.36", "Chrome on Linux"),
        ("Mozilla/5.0 (Macintosh) Chrome/140 Safari/537 Edg/140", "Edge on a Mac"),
        ("Mozilla/5.0 (Linux; Android 15) Chrome/140.0 Mobile Safari", "Chrome on Android"),
        ("curl/8.5.0", "curl"),
        ("", "Unknown browser"),
        ("<script>", "Unknown browser"),
    ],
)
def test_a_device_in_words(agent: str, device: str) -> None:
    assert session_texts.device(agent) == device


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(5, "1 minute"), (61, "2 minutes"), (900, "15 minutes"), (3600, "1 hour"), (7200, "2 hours")],
)
def test_a_duration_in_words(seconds: float, words: str) -> None:
    assert session_texts.duration(seconds) == words
