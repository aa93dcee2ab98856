"""Second factors: passkeys, authenticator apps, recovery codes, and of whom one is required."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.models import Authenticator as Factor
from django.core.exceptions import ValidationError
from django.db import DatabaseError
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from ipadmin import factors
from ipadmin.adapter import MfaAdapter, encrypt_again, encrypted_secrets
from ipadmin.audit.integrity import chain
from ipadmin.crypto import generate_key
from ipadmin.models import AuditLink, LinkKind, User
from tests.authenticator import Authenticator, add_passkey, options_of, sign_in
from tests.conftest import PASSWORD, ClientOf
from tests.factors import code_of
from tests.page import Page
from tests.views.conftest import HTMX

LOGIN, SECOND = "/accounts/login/", "/accounts/login/second-factor/"
APP, CODES = "/account/app/add/", "/account/recovery-codes/"
pytestmark = pytest.mark.django_db


@pytest.fixture
def alices(alice: User, client_of: ClientOf) -> Client:
    return client_of(alice)


def recorded(*kinds: LinkKind) -> list[dict[str, Any]]:
    links = AuditLink.objects.filter(kind__in=kinds).order_by("sequence")
    return [link.details or {} for link in links]


def add_app(client: Client) -> str:
    """Set up an authenticator app; returns its secret."""
    page = Page(client.get(APP))
    [secret] = page.values("data-copy", "form")
    answer = client.post(APP, {"code": code_of(secret)})
    assert answer["Location"] == CODES
    return secret


def password_step(client: Client) -> Any:
    return client.post(LOGIN, {"login": "alice", "password": PASSWORD, "next": "/tokens/"})


def is_signed_in(client: Client) -> bool:
    return client.get("/account/").status_code == 200


# Passkeys


def test_a_passkey_signs_in_without_a_password(alices: Client, client: Client) -> None:
    device = Authenticator()
    assert add_passkey(alices, device)["Location"] == CODES
    answer = sign_in(client, device, next="/tokens/")
    assert (answer["Location"], is_signed_in(client)) == ("/tokens/", True)


def test_a_passkey_that_does_not_verify_the_person_is_refused(
    alices: Client, client: Client
) -> None:
    device = Authenticator()
    add_passkey(alices, device)
    device.flags = 0x01
    assert sign_in(client, device)["Location"] == LOGIN
    assert not is_signed_in(client)
    assert add_passkey(alices, Authenticator(is_verifying=False)).status_code == 200
    assert Factor.objects.filter(type="webauthn").count() == 1


def test_a_disabled_person_can_not_sign_in_with_a_passkey(
    alices: Client, client: Client, alice: User
) -> None:
    device = Authenticator()
    add_passkey(alices, device)
    User.objects.update(is_active=False)
    answer = sign_in(client, device)
    assert answer["Location"] == LOGIN
    assert "can't sign in" in Page(client.get(LOGIN)).text
    assert not is_signed_in(client)


def test_a_passkey_of_another_device_is_refused(alices: Client, client: Client) -> None:
    device, other = Authenticator(), Authenticator()
    add_passkey(alices, device)
    other.id, other.user_handle = device.id, device.user_handle
    sign_in(client, other)
    assert not is_signed_in(client)


def test_the_second_step_takes_a_passkey(alices: Client, client: Client) -> None:
    device = Authenticator()
    add_passkey(alices, device)
    assert password_step(client)["Location"] == SECOND
    options = options_of(client.get(SECOND).text)["request_options"]
    answer = client.post(SECOND, {"credential": json.dumps(device.get(options))})
    assert answer["Location"] == "/tokens/"


def test_renaming_and_removing_a_passkey(alices: Client) -> None:
    add_passkey(alices, Authenticator())
    [pk] = Factor.objects.filter(type="webauthn").values_list("pk", flat=True)
    url = f"/account/passkeys/{pk}"
    assert alices.post(f"{url}/rename/", {"name": "x" * 101}).status_code == 200
    alices.post(f"{url}/rename/", {"name": "Phone"})
    assert "Phone" in alices.get("/account/").text
    alices.post(f"{url}/remove/")
    # The recovery codes replace nothing any more.
    assert not Factor.objects.exists()
    removed = recorded(LinkKind.FACTOR_REMOVED)
    assert [each["factor"] for each in removed] == ["Passkey “Phone”", "Recovery codes"]


def test_another_persons_passkey_is_not_found(
    alices: Client, bob: User, client_of: ClientOf
) -> None:
    bobs = client_of(bob)
    add_passkey(bobs, Authenticator())
    [pk] = Factor.objects.filter(type="webauthn").values_list("pk", flat=True)
    for step in ("rename", "remove"):
        assert alices.post(f"/account/passkeys/{pk}/{step}/").status_code == 404


@pytest.mark.parametrize(
    "sent",
    [
        *("", "{", "[]", "1", "null", "{}", '"x"', '{"id": "x"}', '{"id": 1, "rawId": 1}'),
        '{"id": "eA", "rawId": "eA", "type": "public-key", "response": {}}',
        '{"id": "eA", "rawId": "eA", "type": "public-key", "response": {"userHandle": "MQ"}}',
        json.dumps(
            {
                "id": "eA",
                "rawId": "eA",
                "type": "public-key",
                "response": dict.fromkeys(
                    ["clientDataJSON", "authenticatorData", "attestationObject", "signature"], "eA"
                )
                | {"userHandle": "MQ"},
            }
        ),
    ],
)
def test_anything_may_be_sent_as_a_passkey(alices: Client, client: Client, sent: str) -> None:
    add_passkey(alices, Authenticator())
    form = {"name": "x", "credential": sent}
    assert client.post("/accounts/login/passkey/", form)["Location"] == LOGIN
    password_step(client)
    assert client.post(SECOND, form).status_code == 200
    assert not is_signed_in(client)
    assert alices.post("/account/passkeys/add/", form).status_code == 200
    again = alices.post("/accounts/confirm/passkey/", form)["Location"]
    assert again == "/accounts/confirm/passkey/"
    assert Factor.objects.filter(type="webauthn").count() == 1


# Authenticator app and recovery codes


def test_the_second_step_takes_a_code_once(alices: Client, client: Client) -> None:
    code = code_of(add_app(alices))
    assert password_step(client)["Location"] == SECOND
    assert not is_signed_in(client)
    assert client.post(SECOND, {"code": code})["Location"] == "/tokens/"
    again = Client()
    password_step(again)
    assert "Incorrect code" in again.post(SECOND, {"code": code}).text


def test_a_recovery_code_works_once(alices: Client, client: Client) -> None:
    add_app(alices)
    codes = Page(alices.get(CODES)).one("pre").text().split()
    assert len(codes) == 10
    password_step(client)
    assert client.post(SECOND, {"code": codes[0]})["Location"] == "/tokens/"
    assert "9 of 10 left" in Page(client.get("/account/")).text
    again = Client()
    password_step(again)
    assert again.post(SECOND, {"code": codes[0]}).status_code == 200


def test_recovery_codes_are_shown_once(alices: Client) -> None:
    add_app(alices)
    page = Page(alices.get(CODES))
    codes = page.one("pre").text().split()
    assert page.links["Download"].endswith("%0A".join(codes) + "%0A")
    assert page.values("data-copy", ".card")[0].split() == codes
    again = alices.get(CODES).text
    assert not any(code in again for code in codes)
    assert "10 of 10" in Page(again).text
    alices.post(f"{CODES}generate/")
    new = Page(alices.get(CODES)).one("pre").text().split()
    assert not set(new) & set(codes)


def test_a_sign_in_can_be_cancelled_at_the_second_step(alices: Client, client: Client) -> None:
    add_app(alices)
    password_step(client)
    assert client.get(LOGIN)["Location"] == SECOND
    assert client.post("/accounts/logout/")["Location"] == LOGIN
    assert client.get(LOGIN).status_code == 200


def test_a_person_without_a_password_can_not_set_one(alices: Client, alice: User) -> None:
    alice.set_unusable_password()
    alice.save()
    alices.force_login(alice)
    answer = alices.get("/accounts/password/change/", follow=True)
    assert answer.redirect_chain[-1][0] == "/account/"
    assert "Change password" not in answer.text


# What the audit log says


def test_factors_are_recorded(alices: Client, alice: User) -> None:
    add_passkey(alices, Authenticator())
    added = recorded(LinkKind.FACTOR_ADDED)
    assert [each["factor"] for each in added] == ["Passkey “Laptop”", "Recovery codes"]
    assert {each["person"] for each in added} == {"alice"}
    assert added[0]["by"]["user_id"] == alice.pk
    assert added[0]["by"]["source_ip"] == "127.0.0.1"


def test_a_wrong_code_is_recorded(alices: Client, client: Client) -> None:
    add_app(alices)
    password_step(client)
    client.post(SECOND, {"code": "000000"})
    [failed] = recorded(LinkKind.SIGN_IN_FAILED)
    assert (failed["person"], failed["why"]) == ("alice", "Wrong code")
    assert "user_id" not in failed["by"]


@pytest.mark.parametrize("add", [lambda c: add_passkey(c, Authenticator()), add_app])
def test_no_factor_without_a_record(
    alices: Client, monkeypatch: pytest.MonkeyPatch, add: Any
) -> None:
    def fail(*_: object) -> None:
        raise DatabaseError

    monkeypatch.setattr(chain, "add_activity", fail)
    with pytest.raises(DatabaseError):
        add(alices)
    assert not Factor.objects.exists()


# Encryption


def test_secrets_are_encrypted_and_rotated(alices: Client, settings: Settings) -> None:
    secret = add_app(alices)
    codes = Factor.objects.get(type="recovery_codes").wrap().generate_codes()
    old = {pk: encrypted_secrets(Factor.objects.get(pk=pk)) for pk in _ids()}
    assert all(old.values())
    settings.TOKEN_ENCRYPTION_KEYS = [generate_key(), *settings.TOKEN_ENCRYPTION_KEYS]
    for pk in _ids():
        encrypt_again(pk)
        new = encrypted_secrets(Factor.objects.get(pk=pk))
        assert [each[:4] for each in new] != [each[:4] for each in old[pk]]
    settings.TOKEN_ENCRYPTION_KEYS = settings.TOKEN_ENCRYPTION_KEYS[:1]
    assert Factor.objects.get(type="totp").wrap().validate_code(code_of(secret))
    assert Factor.objects.get(type="recovery_codes").wrap().generate_codes() == codes


def _ids() -> list[int]:
    return list(Factor.objects.values_list("pk", flat=True))


def test_a_secret_that_can_not_be_decrypted_has_no_code(alices: Client, client: Client) -> None:
    code = code_of(add_app(alices))
    password_step(client)
    data = {"secret": MfaAdapter().encrypt("x")[:-4] + "AAA="}
    Factor.objects.filter(type="totp").update(data=data)
    assert "Incorrect code" in client.post(SECOND, {"code": code}).text
    with pytest.raises(ValidationError):
        MfaAdapter().decrypt("not base64")


# A second factor that is required


@pytest.mark.parametrize(
    ("setting", "of"),
    [("no", ()), ("unallocate", ("alice",)), ("everyone", ("alice", "audrey"))],
)
def test_of_whom_one_is_required(
    alice: User, audrey: User, settings: Settings, setting: str, of: tuple[str, ...]
) -> None:
    settings.SECOND_FACTOR = setting
    assert factors.is_required_of(alice) is ("alice" in of)
    assert factors.is_required_of(audrey) is ("audrey" in of)


def test_the_days_of_grace_begin_once(alice: User, settings: Settings) -> None:
    settings.SECOND_FACTOR = "everyone"
    due_at = factors.due_at(alice)
    assert due_at
    assert timedelta(days=6.9) < due_at - timezone.now() < timedelta(days=7.1)
    assert factors.due_at(User.objects.get()) == due_at
    settings.SECOND_FACTOR = "no"
    assert factors.due_at(alice) is None
    assert User.objects.get().second_factor_required_at is None


def overdue(user: User) -> None:
    long_ago = timezone.now() - timedelta(days=8)
    User.objects.filter(pk=user.pk).update(second_factor_required_at=long_ago)


def test_during_the_grace_a_banner_leads_to_the_setup(alices: Client, settings: Settings) -> None:
    settings.SECOND_FACTOR = "everyone"
    page = Page(alices.get("/tokens/"))
    assert "7 more days" in page.text
    assert page.links["Set up a second factor"] == "/account/#factors"
    add_passkey(alices, Authenticator())
    assert "second factor of you" not in alices.get("/tokens/").text


def test_after_the_grace_only_the_account_is_left(
    alices: Client, alice: User, settings: Settings
) -> None:
    settings.SECOND_FACTOR = "unallocate"
    overdue(alice)
    for path in ("/", "/tokens/", "/audit/", "/search/"):
        assert alices.get(path)["Location"] == "/account/"
        assert alices.post(path)["Location"] == "/account/"
        assert alices.get(path, headers=HTMX)["HX-Redirect"] == "/account/"
    for path in ("/account/", APP, "/accounts/logout/", "/accounts/password/change/"):
        assert alices.get(path).status_code == 200
    # Passkeys count.
    add_passkey(alices, Authenticator())
    assert alices.get("/tokens/").status_code == 200


def test_recovery_codes_alone_do_not_count(alice: User, settings: Settings) -> None:
    settings.SECOND_FACTOR = "everyone"
    data = {"seed": MfaAdapter().encrypt("x"), "used_mask": 0}
    Factor.objects.create(user=alice, type="recovery_codes", data=data)
    assert factors.due_at(alice)


# The page of the account


def test_the_account_page(alices: Client, alice: User) -> None:
    text = Page(alices.get("/account/")).text
    for words in (
        "alice",
        "Operator",
        "No change recorded",
        "Passkeys Add a passkey None",
        "Not set up",
    ):
        assert words in text
    add_passkey(alices, Authenticator())
    page = Page(alices.get("/account/"))
    assert re.search(r"Laptop Added .* ago, not used yet|Laptop Added just now", page.text)
    assert page.links["Show sessions"] == "/account/sessions/"
