"""Guessed passwords: what locks whom out, what is recorded, and who is unaffected."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client, override_settings
from django.utils import timezone

from config import settings as site_settings
from ipadmin.models import AuditLink, CacheEntry, LinkKind, User
from ipadmin.services import lockouts
from ipadmin.ui.session_texts import too_many_passwords
from tests.conftest import PASSWORD, ClientOf, person

LOGIN = "/accounts/login/"
OFFICE, HOME, ATTACKER = "198.51.100.1", "198.51.100.2", "203.0.113.9"
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _shared_cache(db: None) -> Iterator[None]:
    """The site's own, in the database."""
    with override_settings(CACHES=site_settings.CACHES | {"default": site_settings.DATABASE_CACHE}):
        yield


def sign_in(name: str, password: str, address: str, client: Client | None = None) -> Any:
    form = {"login": name, "password": password}
    headers = {"User-Agent": "Firefox"}
    return (client or Client()).post(LOGIN, form, REMOTE_ADDR=address, headers=headers)


def is_let_in(name: str, address: str) -> bool:
    return bool(sign_in(name, PASSWORD, address).status_code == 302)


def guess(name: str, address: str, times: int) -> None:
    for _ in range(times):
        sign_in(name, "wrong", address)


def recorded(kind: LinkKind) -> list[dict[str, Any]]:
    links = AuditLink.objects.filter(kind=kind).order_by("sequence")
    return [dict(link.details or {}) for link in links]


def test_five_wrong_passwords_lock_the_account_for_this_address_only(alice: User) -> None:
    guess("alice", OFFICE, 5)
    answer = sign_in("alice", PASSWORD, OFFICE)
    assert answer.status_code == 200
    assert "Too many wrong passwords. Try again in 15 minutes" in answer.text
    assert is_let_in("alice", HOME)


def test_a_colleague_behind_the_same_address_is_unaffected(alice: User, bob: User) -> None:
    guess("alice", OFFICE, 5)
    assert is_let_in("bob", OFFICE)


def test_a_whole_office_signs_in_at_once(db: None) -> None:
    names = [f"person-{number}" for number in range(32)]
    for name in names:
        person(name)
    assert all(is_let_in(name, OFFICE) for name in names)


def test_a_right_password_gives_its_slot_back(alice: User) -> None:
    for _ in range(3):
        guess("alice", OFFICE, 1)
        assert is_let_in("alice", OFFICE)


def test_a_right_password_does_not_forget_wrong_ones(alice: User) -> None:
    """Otherwise a guesser with an account of their own could go on for ever."""
    guess("alice", OFFICE, 4)
    assert is_let_in("alice", OFFICE)
    guess("alice", OFFICE, 1)
    assert not is_let_in("alice", OFFICE)


def test_many_addresses_do_not_lock_a_person_out_where_they_sign_in(alice: User) -> None:
    assert is_let_in("alice", HOME)
    for number in range(20):
        guess("alice", f"203.0.113.{number}", 1)
    assert not is_let_in("alice", ATTACKER)
    assert is_let_in("alice", HOME)


def test_one_address_cannot_try_many_accounts(alice: User) -> None:
    for number in range(50):
        guess(f"made-up-{number}", ATTACKER, 1)
    assert not is_let_in("alice", ATTACKER)
    assert is_let_in("alice", HOME)


def test_an_ipv6_client_has_one_network(alice: User) -> None:
    for number in range(5):
        guess("alice", f"2001:db8::{number}", 1)
    assert not is_let_in("alice", "2001:db8::ffff")
    assert is_let_in("alice", "2001:db8:0:1::1")


def test_a_name_without_an_account_is_answered_alike(alice: User) -> None:
    for name in ("alice", "nobody"):
        guess(name, OFFICE, 5)
    known, unknown = (sign_in(name, "wrong", OFFICE) for name in ("alice", "nobody"))
    assert "Too many wrong passwords" in known.text
    assert "Too many wrong passwords" in unknown.text


def test_another_case_of_the_name_is_the_same_account(alice: User) -> None:
    guess("ALICE", OFFICE, 5)
    assert not is_let_in("alice", OFFICE)


def test_a_signed_in_session_goes_on(alice: User, client_of: ClientOf) -> None:
    client = client_of(alice)
    for number in range(20):
        guess("alice", f"203.0.113.{number}", 1)
    assert client.get("/tokens/").status_code == 200


def test_the_lock_out_ends(alice: User) -> None:
    guess("alice", OFFICE, 5)
    with time_machine.travel(timezone.now() + timedelta(minutes=14), tick=False):
        assert not is_let_in("alice", OFFICE)
    with time_machine.travel(timezone.now() + timedelta(minutes=16), tick=False):
        assert is_let_in("alice", OFFICE)


def test_a_lock_out_is_seen_and_lifted(alice: User) -> None:
    guess("alice", OFFICE, 4)
    assert not lockouts.is_locked(alice)
    guess("alice", OFFICE, 1)
    assert lockouts.is_locked(alice)
    lockouts.lift(alice)
    assert not lockouts.is_locked(alice)
    assert is_let_in("alice", OFFICE)


def test_lifting_helps_behind_an_address_that_tried_many_accounts(alice: User) -> None:
    for number in range(50):
        guess(f"made-up-{number}", OFFICE, 1)
    assert not is_let_in("alice", OFFICE)
    lockouts.lift(alice)
    assert is_let_in("alice", OFFICE)


def test_a_lifted_lock_out_can_begin_again(alice: User) -> None:
    guess("alice", OFFICE, 5)
    lockouts.lift(alice)
    guess("alice", OFFICE, 5)
    assert lockouts.is_locked(alice)
    assert not is_let_in("alice", OFFICE)


def test_a_lock_out_is_recorded_once(alice: User) -> None:
    guess("alice", OFFICE, 9)
    [locked] = recorded(LinkKind.LOCKED_OUT)
    assert (locked["person"], locked["person_id"]) == ("alice", alice.pk)
    assert locked["by"]["source_ip"] == OFFICE
    assert len(recorded(LinkKind.SIGN_IN_FAILED)) == 5


def test_guessing_many_accounts_is_recorded(db: None) -> None:
    for number in range(52):
        guess(f"made-up-{number}", ATTACKER, 1)
    [locked] = recorded(LinkKind.LOCKED_OUT)
    assert "several accounts" in locked["why"]


def test_a_failed_sign_in_is_recorded(alice: User) -> None:
    guess("alice", OFFICE, 1)
    [failed] = recorded(LinkKind.SIGN_IN_FAILED)
    assert failed | {"by": None} == {
        "by": None,
        "name": "alice",
        "person": "alice",
        "person_id": alice.pk,
        "client": "Firefox",
    }
    assert failed["by"]["source_ip"] == OFFICE
    assert failed["by"]["request_id"]


def test_what_was_typed_into_the_wrong_field_is_not_recorded(alice: User) -> None:
    sign_in(PASSWORD, "", OFFICE)
    sign_in(PASSWORD, PASSWORD, OFFICE)
    [failed] = recorded(LinkKind.SIGN_IN_FAILED)
    assert failed["why"] == "Unknown name"
    assert PASSWORD not in str(failed)
    assert not CacheEntry.objects.filter(cache_key__contains=PASSWORD).exists()


def test_made_up_names_do_not_fill_the_audit_log(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lockouts, "NO_ACCOUNT", lockouts.Limit(10, 3600))
    for number in range(30):
        guess(f"made-up-{number}", f"203.0.113.{number}", 1)
    found = recorded(LinkKind.SIGN_IN_FAILED)
    assert len(found) == 10
    assert "request log only" in found[-1]["why"]
    assert "request log only" not in found[-2]["why"]


def test_a_disabled_account_is_named_in_the_record(alice: User) -> None:
    User.objects.update(is_active=False)
    sign_in("alice", PASSWORD, OFFICE)
    [failed] = recorded(LinkKind.SIGN_IN_FAILED)
    assert failed["why"] == "The account is disabled"


def test_signing_in_and_out_is_recorded(client: Client, alice: User) -> None:
    sign_in("alice", PASSWORD, OFFICE, client)
    [entered] = recorded(LinkKind.SIGNED_IN)
    assert entered | {"by": None} == {
        "by": None,
        "person": "alice",
        "person_id": alice.pk,
        "methods": ["password"],
        "client": "Firefox",
    }
    assert entered["by"]["user_id"] == alice.pk
    client.post("/accounts/logout/", REMOTE_ADDR=HOME)
    [left] = recorded(LinkKind.SIGNED_OUT)
    assert (left["person"], left["by"]["source_ip"]) == ("alice", HOME)


def test_without_a_record_nobody_is_signed_in(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("the chain is locked")

    monkeypatch.setattr("ipadmin.receivers.record", refuse)
    client = Client(raise_request_exception=False)
    assert sign_in("alice", PASSWORD, OFFICE, client).status_code == 500
    assert "_auth_user_id" not in client.session


def test_the_counts_are_shared_and_name_nobody(alice: User) -> None:
    guess("alice", OFFICE, 5)
    keys = CacheEntry.objects.values_list("cache_key", flat=True)
    assert len(keys) >= 5
    assert not any("alice" in key or OFFICE in key for key in keys)


def test_simultaneous_guesses_share_no_slot(alice: User) -> None:
    """As several processes see it: what one takes, the others find taken."""
    guesses = [lockouts.begin("alice", OFFICE) for _ in range(5)]
    assert len({each.slots[0] for each in guesses}) == 5
    with pytest.raises(lockouts.TooMany):
        lockouts.begin("alice", OFFICE)
    assert [bool(lockouts.fail(each)) for each in guesses] == [True, *[False] * 4]


@pytest.mark.parametrize("seconds", [0.2, 59, 60])
def test_the_waiting_time_is_at_least_a_minute(seconds: float) -> None:
    assert "in 1 minute," in too_many_passwords(seconds)


def test_guessing_the_old_password_in_an_open_session_is_limited(
    alice: User, client_of: ClientOf
) -> None:
    client = client_of(alice)
    form = {"oldpassword": "wrong", "password1": "x", "password2": "x"}
    answers = [client.post("/accounts/password/change/", form) for _ in range(11)]
    assert [each.status_code for each in answers] == [200] * 10 + [429]
    assert "in 15 minutes at the latest" in answers[-1].text
