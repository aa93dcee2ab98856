"""A dangerous step waits for a proof of identity, and is carried out with everything typed."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.account.authentication import AUTHENTICATION_METHODS_SESSION_KEY
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from ipadmin.models import ApiToken, AuditEntry, AuditLink, LinkKind, User
from tests.authenticator import Authenticator, add_passkey, options_of
from tests.conftest import PASSWORD, ClientOf
from tests.page import Page
from tests.services.katapult import IP, refusal
from tests.views.conftest import HTMX, MakeEntry
from tests.views.katapult import Organizations

CONFIRM = "/accounts/confirm/"
SECRET = "pasted0token0pasted0XYZ9"
pytestmark = pytest.mark.django_db


def forget_proofs(client: Client) -> None:
    """As if the sign-in had been long ago."""
    session = client.session
    for record in session[AUTHENTICATION_METHODS_SESSION_KEY]:
        record["at"] -= 100_000
    session.save()


@pytest.fixture
def stale(alices: Client) -> Client:
    """alice's browser, long after her sign-in."""
    forget_proofs(alices)
    return alices


def location(answer: Any) -> str:
    url: str = answer["HX-Redirect"] if "HX-Redirect" in answer else answer["Location"]
    assert url.startswith(CONFIRM), url
    return url


def prove(client: Client, answer: Any, password: str = PASSWORD) -> Any:
    """Fill in the page that the response leads to."""
    url = location(answer)
    page = Page(client.get(url))
    form = {name: values[0] for name, values in page.form("password").items()}
    return client.post(urlsplit(url).path, form | {"password": password})


def recorded() -> list[Any]:
    links = AuditLink.objects.filter(kind=LinkKind.REAUTHENTICATED)
    return [link.details for link in links]


# Tokens


def test_a_pasted_token_is_added_after_the_proof(
    stale: Client, katapult: Organizations, alice: User
) -> None:
    answer = stale.post("/tokens/add/", {"label": "New", "secret": SECRET})
    assert katapult.requests == []
    assert SECRET not in answer["Location"] + str(answer.cookies)
    done = prove(stale, answer)
    token = ApiToken.objects.get()
    assert (token.label, token.last_four) == ("New", SECRET[-4:])
    assert done["Location"] == reverse("token", args=[token.id])
    [proof] = recorded()
    assert (proof["person"], proof["methods"]) == ("alice", ["password"])


def test_a_recent_sign_in_is_a_proof(alices: Client, katapult: Organizations) -> None:
    answer = alices.post("/tokens/add/", {"label": "New", "secret": SECRET})
    assert answer["Location"].startswith("/tokens/")


def test_replacing_and_deleting_wait_too(
    stale: Client, token: ApiToken, katapult: Organizations
) -> None:
    url = reverse("token_replace", args=[token.id])
    assert prove(stale, stale.post(url, {"secret": SECRET}))["Location"].startswith("/tokens/")
    assert ApiToken.objects.get().last_four == SECRET[-4:]
    forget_proofs(stale)
    url = reverse("token_delete", args=[token.id])
    assert stale.get(url).status_code == 200
    answer = stale.post(url)
    assert ApiToken.objects.exists()
    assert prove(stale, answer)["Location"] == "/tokens/"
    assert not ApiToken.objects.exists()


def test_an_error_of_a_resumed_form_leads_to_its_own_page(
    stale: Client, katapult: Organizations
) -> None:
    katapult.names.append(refusal(503, "service_unavailable"))
    katapult.names.append(refusal(503, "service_unavailable"))
    answer = stale.post("/tokens/add/?from=elsewhere", {"label": "New", "secret": SECRET})
    page = Page(prove(stale, answer))
    assert page.form("label")["label"] == ["New"]
    assert "Katapult is unavailable" in page.text
    assert CONFIRM not in str(page.links)


def test_a_wrong_password_does_nothing_and_the_form_still_waits(
    stale: Client, katapult: Organizations
) -> None:
    answer = stale.post("/tokens/add/", {"label": "New", "secret": SECRET})
    assert prove(stale, answer, "wrong").status_code == 200
    assert not ApiToken.objects.exists()
    prove(stale, answer)
    assert ApiToken.objects.count() == 1


def test_a_form_is_carried_out_once(stale: Client, katapult: Organizations) -> None:
    answer = stale.post("/tokens/add/", {"label": "New", "secret": SECRET})
    prove(stale, answer)
    again = prove(stale, answer)
    assert again["Location"] == "/tokens/add/"
    assert ApiToken.objects.count() == 1


def test_both_forms_need_a_csrf_token(alice: User, client_of: ClientOf) -> None:
    client = client_of(alice, enforce_csrf_checks=True)
    forget_proofs(client)
    assert client.post("/tokens/add/", {"label": "New", "secret": SECRET}).status_code == 403
    assert client.post(CONFIRM, {"password": PASSWORD}).status_code == 403
    page = Page(client.get("/tokens/add/"))
    form = {name: values[0] for name, values in page.form("label").items()}
    answer = client.post("/tokens/add/", form | {"label": "New", "secret": SECRET})
    assert location(answer)


def test_another_person_can_not_carry_it_out(
    stale: Client, bob: User, katapult: Organizations
) -> None:
    answer = stale.post("/tokens/add/", {"label": "New", "secret": SECRET})
    stale.post("/accounts/logout/")
    stale.force_login(bob)
    stale.post(CONFIRM, {"password": PASSWORD, "next": "/tokens/add/"})
    assert answer.status_code == 302
    assert not ApiToken.objects.exists()


# Unallocating


@pytest.fixture
def url(token: ApiToken, katapult: Organizations) -> str:
    return reverse("unallocate", args=[token.id, IP])


def typed(client: Client, url: str) -> dict[str, str]:
    signed = Page(client.get(url)).confirmation()
    return {"confirmation": signed, "reason": "Ümzug & mehr, OPS-1"}


@pytest.mark.parametrize("headers", [{}, HTMX | {"HX-Current-URL": "http://testserver/tokens/"}])
def test_unallocating_waits_with_the_reason(
    stale: Client, url: str, katapult: Organizations, headers: dict[str, str]
) -> None:
    answer = stale.post(f"{url}?table=1", typed(stale, url), headers=headers)
    assert ("HX-Redirect" in answer) is bool(headers)
    assert not AuditEntry.objects.exists()
    done = prove(stale, answer)
    entry = AuditEntry.objects.get()
    assert (entry.outcome, entry.reason) == ("succeeded", "Ümzug & mehr, OPS-1")
    assert done["Location"] == entry.get_absolute_url()
    assert len(katapult.sent) == 1


def test_eight_hours_are_recent_enough(stale: Client, url: str, settings: Settings) -> None:
    settings.UNALLOCATE_REAUTHENTICATE_AFTER = 200_000
    assert stale.post(url, typed(stale, url))["Location"].startswith("/audit/")


def test_zero_asks_each_time_and_only_once(
    alices: Client, url: str, katapult: Organizations, settings: Settings
) -> None:
    settings.UNALLOCATE_REAUTHENTICATE_AFTER = 0
    form = typed(alices, url)
    prove(alices, alices.post(url, form))
    assert AuditEntry.objects.get().outcome == "succeeded"
    # The same form again: another proof, and no other attempt.
    prove(alices, alices.post(url, form))
    assert (AuditEntry.objects.count(), len(katapult.sent)) == (1, 1)


def test_a_confirmation_that_expired_meanwhile_keeps_the_reason(
    stale: Client, url: str, katapult: Organizations, settings: Settings
) -> None:
    answer = stale.post(url, typed(stale, url))
    settings.CONFIRMATION_MAX_AGE = -1
    page = Page(prove(stale, answer))
    assert "has expired" in page.text
    assert page.form("reason")["reason"] == ["Ümzug & mehr, OPS-1"]
    assert katapult.sent == []


# Exporting everything


def downloads(answer: Any) -> bool:
    return bool(b"".join(answer.streaming_content)) and "Content-Disposition" in answer


@pytest.mark.parametrize("filters", [{"when": "all"}, {}, {"since": "2000-01-01"}])
def test_exporting_everything_waits(
    stale: Client, entry: MakeEntry, filters: dict[str, str]
) -> None:
    entry()
    form = filters | {"format": "jsonl", "columns": "all", "csrfmiddlewaretoken": "x"}
    answer = stale.post("/audit/export/", form)
    done = prove(stale, answer)
    assert urlsplit(done["Location"]).path == "/audit/export/"
    assert "csrf" not in done["Location"]
    page = Page(stale.get(done["Location"]))
    sent = page.form("format")
    assert (sent["format"], sent["columns"]) == (["jsonl"], ["all"])
    assert {name: sent[name][0] for name in filters} == filters
    flat = {name: values[-1] for name, values in sent.items()}
    assert downloads(stale.post("/audit/export/", flat))


def test_a_filtered_export_does_not_wait(stale: Client, entry: MakeEntry) -> None:
    entry(user_name="alice")
    form = {"format": "csv", "when": "all", "person": "alice"}
    assert downloads(stale.post("/audit/export/", form))


# The ways to prove it


def test_a_passkey_is_the_first_way(alices: Client, katapult: Organizations) -> None:
    device = Authenticator()
    add_passkey(alices, device)
    forget_proofs(alices)
    url = location(alices.post("/tokens/add/", {"label": "New", "secret": SECRET}))
    assert url == f"{CONFIRM}passkey/?next=%2Ftokens%2Fadd%2F"
    page = alices.get(url)
    ways = Page(page).links
    assert ways["Use your password"] == f"{CONFIRM}?next=%2Ftokens%2Fadd%2F"
    assert ways["Use a code"].startswith(f"{CONFIRM}code/")
    # A passkey that is refused leads back, and nothing is lost.
    form = {"credential": json.dumps({"id": "x"}), "next": "/tokens/add/"}
    again = alices.post(f"{CONFIRM}passkey/", form)
    assert parse_qs(urlsplit(again["Location"]).query) == {"next": ["/tokens/add/"]}
    page = alices.get(again["Location"])
    assert "was not accepted" in page.text
    options = options_of(page.text)["request_options"]
    form["credential"] = json.dumps(device.get(options))
    alices.post(f"{CONFIRM}passkey/", form)
    assert ApiToken.objects.get().label == "New"
    assert recorded()[-1]["methods"] == ["webauthn"]


def test_without_password_and_factor_nothing_is_done(stale: Client, alice: User) -> None:
    password = alice.password
    User.objects.update(password="!unusable")
    alice.refresh_from_db()
    session = stale.session
    session["_auth_user_hash"] = alice.get_session_auth_hash()
    session.save()
    answer = stale.post("/tokens/add/", {"label": "New", "secret": SECRET})
    assert answer.status_code == 403
    assert "Sign out and in again" in answer.text
    assert password != alice.password
    assert SECRET not in answer.text


@pytest.mark.parametrize("path", ["/account/passkeys/add/", "/account/app/add/"])
def test_adding_a_factor_needs_a_proof(stale: Client, path: str) -> None:
    answer = stale.get(path)
    assert prove(stale, answer)["Location"] == path
    assert stale.get(path).status_code == 200


def test_removing_a_factor_needs_a_proof(alices: Client) -> None:
    add_passkey(alices, Authenticator())
    forget_proofs(alices)
    for path in ("/account/recovery-codes/", "/account/recovery-codes/generate/"):
        assert location(alices.post(path) if "generate" in path else alices.get(path))


def test_a_password_change_needs_the_old_one(alices: Client, alice: User) -> None:
    new = "an entirely different sentence"
    form = {"oldpassword": "wrong", "password1": new, "password2": new}
    assert alices.post("/accounts/password/change/", form).status_code == 200
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)
