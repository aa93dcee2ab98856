"""The session engine: hashed keys, encrypted data, an absolute and an idle timeout."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from ipadmin.models import Session, User
from ipadmin.sessions import SessionStore, hashed
from tests.conftest import ClientOf

pytestmark = pytest.mark.django_db


@pytest.fixture
def session() -> SessionStore:
    store = SessionStore()
    store.begin(source_ip="192.0.2.7", user_agent="Firefox")
    store["planted"] = "canary-value"
    store.save()
    return store


@pytest.fixture
def signed_in(client_of: ClientOf, alice: User) -> Client:
    return client_of(alice)


def again(session: SessionStore) -> SessionStore:
    return SessionStore(session.session_key)


def test_the_database_has_neither_key_nor_data(session: SessionStore) -> None:
    row = Session.objects.get()
    assert session.session_key
    assert row.session_key == hashed(session.session_key) != session.session_key
    assert "canary" not in row.session_data
    assert again(session)["planted"] == "canary-value"


def test_the_hash_opens_no_session(session: SessionStore) -> None:
    assert SessionStore(Session.objects.get().session_key).get("planted") is None


def test_data_copied_to_another_session_is_not_read(session: SessionStore) -> None:
    other = SessionStore()
    other["mine"] = "yes"
    other.save()
    data = Session.objects.get(pk=hashed(session.session_key or "")).session_data
    Session.objects.filter(pk=hashed(other.session_key or "")).update(session_data=data)
    assert again(other).get("planted") is None


def test_it_remembers_the_client(session: SessionStore) -> None:
    row = Session.objects.get()
    assert (row.source_ip, row.user_agent) == ("192.0.2.7", "Firefox")


def test_saving_does_not_extend_the_absolute_timeout(session: SessionStore) -> None:
    ends = Session.objects.get().expire_date
    later = again(session)
    later["more"] = 1
    later.save()
    assert Session.objects.get().expire_date == ends


def test_an_idle_session_ends(session: SessionStore, settings: Settings) -> None:
    settings.SESSION_IDLE_TIMEOUT = 600
    Session.objects.update(last_seen_at=timezone.now() - timedelta(seconds=601))
    assert again(session).get("planted") is None


def test_a_request_starts_the_idle_timeout_anew(session: SessionStore) -> None:
    Session.objects.update(last_seen_at=timezone.now() - timedelta(minutes=5))
    store = again(session)
    store.load()
    store.touch()
    assert timezone.now() - Session.objects.get().last_seen_at < timedelta(seconds=5)


def test_a_sign_in_makes_a_new_session(signed_in: Client) -> None:
    row = Session.objects.get()
    assert row.user
    assert row.user.username == "alice"
    assert "alice" not in row.session_data


def test_a_sign_out_deletes_the_session(signed_in: Client) -> None:
    signed_in.logout()
    assert not Session.objects.exists()
