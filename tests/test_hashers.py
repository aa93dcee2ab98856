"""Password hashes: parameters, older hashes, and the limit of how many are computed at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from django.contrib.auth import hashers as django_hashers
from django.test import Client, override_settings

from ipadmin import hashers
from ipadmin.models import AuditLink, User

PASSWORD = "a passphrase that nobody guesses"
LOGIN = "/accounts/login/"


@pytest.fixture(autouse=True)
def _real_hashes() -> Iterator[None]:
    with override_settings(PASSWORD_HASHERS=["ipadmin.hashers.Argon2PasswordHasher"]):
        yield


def old_hash() -> str:
    return django_hashers.Argon2PasswordHasher().encode(PASSWORD, "0123456789abcdefghijkl")


def test_a_hash_takes_little_memory() -> None:
    assert "$m=19456,t=2,p=1$" in django_hashers.make_password(PASSWORD)


def test_an_older_hash_is_replaced_at_the_sign_in(client: Client, db: None) -> None:
    person = User.objects.create(username="old", password=old_hash())
    assert "$m=102400," in person.password
    answer = client.post(LOGIN, {"login": "old", "password": PASSWORD})
    assert answer.status_code == 302
    person.refresh_from_db()
    assert "$m=19456," in person.password
    assert person.check_password(PASSWORD)
    assert not person.must_change_password


def test_a_wrong_password_does_not_verify() -> None:
    assert not django_hashers.check_password("another", old_hash())


def test_few_are_computed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    running, most = 0, 0
    counting = threading.Lock()

    def compute() -> None:
        nonlocal running, most
        with counting:
            running += 1
            most = max(most, running)
        time.sleep(0.02)
        with counting:
            running -= 1

    callers = [threading.Thread(target=hashers._one_of_few, args=(compute,)) for _ in range(12)]
    for each in callers:
        each.start()
    for each in callers:
        each.join()
    assert most == hashers.HASHES_AT_ONCE


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Others compute hashes for longer than anyone waits."""
    monkeypatch.setattr(hashers, "LONGEST_WAIT_SECONDS", 0.05)
    done = threading.Event()
    for _ in range(hashers.HASHES_AT_ONCE):
        hashers._pool().submit(done.wait)
    yield
    done.set()


@pytest.mark.usefixtures("busy")
def test_nobody_waits_for_ever(client: Client, db: None) -> None:
    User.objects.create(username="old", password=old_hash())
    for _ in range(6):
        answer = client.post(LOGIN, {"login": "old", "password": PASSWORD})
        assert answer.status_code == 503
        assert "Too many people are signing in" in answer.text
    assert not AuditLink.objects.exists()


@pytest.mark.usefixtures("busy")
def test_one_that_nobody_waits_for_is_not_computed() -> None:
    computed = threading.Event()
    with pytest.raises(hashers.Busy):
        hashers._one_of_few(computed.set)
    assert not computed.wait(0.2)
