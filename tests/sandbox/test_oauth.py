"""The sandbox as an identity provider."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from urllib.parse import urlencode

import httpx
import pytest

from ipadmin.sandbox import Sandbox
from tests.oauth import BACK, decide

VERIFIER = "v" * 64
CLIENT = ("ipadmin", "sandbox-client-secret")
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=")
ASKED = {
    "response_type": "code",
    "client_id": CLIENT[0],
    "redirect_uri": BACK,
    "state": "s",
    "scope": "api.katapult.io/core/v1/ip_addresses api.katapult.io/core/v1/organizations:read",
    "code_challenge": CHALLENGE.decode(),
    "code_challenge_method": "S256",
}


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox() as box:
        yield box


@pytest.fixture
def box(running: Sandbox) -> Sandbox:
    running.reset()
    return running


def consent(box: Sandbox, **changed: str) -> str:
    return f"{box.url}/oauth2/auth?{urlencode(ASKED | changed)}"


def ask(box: Sandbox, path: str = "token", **form: str) -> httpx.Response:
    return httpx.post(f"{box.url}/oauth2/{path}", data=form, auth=CLIENT)


def redeem(box: Sandbox, **changed: str) -> httpx.Response:
    code = decide(consent(box))["code"]
    form = {"code": code, "code_verifier": VERIFIER, "redirect_uri": BACK}
    return ask(box, grant_type="authorization_code", **form | changed)


def api(box: Sandbox, token: str, call: str = "users/current") -> httpx.Response:
    return httpx.get(f"{box.url}/core/v1/{call}", headers={"Authorization": f"Bearer {token}"})


def test_the_consent_page_names_what_is_asked_for_and_offers_organizations(box: Sandbox) -> None:
    page = httpx.get(consent(box, state="<script>")).text
    assert "api.katapult.io/core/v1/ip_addresses" in page
    assert all(each.name in page for each in box.engine.state.world.organizations)
    assert "<script>" not in page


@pytest.mark.parametrize(
    "wrong",
    [
        {"client_id": "other"},
        {"redirect_uri": "javascript:1"},
        {"response_type": "token"},
        {"code_challenge_method": "plain"},
        {"code_challenge": ""},
    ],
)
def test_a_wrong_request_is_refused(box: Sandbox, wrong: dict[str, str]) -> None:
    assert httpx.get(consent(box, **wrong)).status_code == 400
    assert httpx.post(f"{box.url}/oauth2/auth", data=ASKED | wrong).status_code == 400


def test_deny_sends_back_an_error_and_the_state(box: Sandbox) -> None:
    assert decide(consent(box), "deny") == {"state": "s", "error": "access_denied"}


def test_a_code_gives_an_access_token_for_the_chosen_organization(box: Sandbox) -> None:
    code = decide(consent(box), organization=1)["code"]
    form = {"code": code, "code_verifier": VERIFIER, "redirect_uri": BACK}
    answer = ask(box, grant_type="authorization_code", **form).json()
    assert answer["scope"] == ASKED["scope"]
    found = api(box, answer["access_token"]).json()["organizations"]
    assert [each["id"] for each in found] == [box.engine.state.world.organizations[1].id]
    # A code is accepted once.
    again = ask(box, grant_type="authorization_code", **form)
    assert (again.status_code, again.json()) == (400, {"error": "invalid_grant"})


@pytest.mark.parametrize(
    "wrong", [{"code_verifier": "w" * 64}, {"redirect_uri": "http://other"}, {"code": "x"}]
)
def test_a_code_needs_its_verifier_and_redirect_uri(box: Sandbox, wrong: dict[str, str]) -> None:
    assert redeem(box, **wrong).json() == {"error": "invalid_grant"}


def test_a_scope_that_was_not_asked_for_is_not_granted(box: Sandbox) -> None:
    token = redeem(box).json()["access_token"]
    call = "virtual_machines/x?virtual_machine[id]=vm_1"
    assert api(box, token, call).json()["error"]["code"] == "scope_not_granted"


def test_the_client_authenticates(box: Sandbox) -> None:
    answer = httpx.post(f"{box.url}/oauth2/token", data={}, auth=("ipadmin", "wrong"))
    assert (answer.status_code, answer.json()) == (401, {"error": "invalid_client"})


def test_a_refresh_token_is_accepted_once(box: Sandbox) -> None:
    first = redeem(box).json()["refresh_token"]
    second = ask(box, grant_type="refresh_token", refresh_token=first).json()
    assert api(box, second["access_token"]).status_code == 200
    again = ask(box, grant_type="refresh_token", refresh_token=first)
    assert again.json() == {"error": "invalid_grant"}


def test_an_access_token_expires(box: Sandbox) -> None:
    box.behave(lifetime=0)
    token = redeem(box).json()["access_token"]
    assert api(box, token).json()["error"]["code"] == "invalid_api_token"


def test_a_revoked_refresh_token_ends_its_access_token(box: Sandbox) -> None:
    answer = redeem(box).json()
    assert ask(box, "revoke", token=answer["refresh_token"]).status_code == 200
    assert api(box, answer["access_token"]).json()["error"]["code"] == "invalid_api_token"
    refresh = ask(box, grant_type="refresh_token", refresh_token=answer["refresh_token"])
    assert refresh.json() == {"error": "invalid_grant"}


def test_only_its_own_tokens_are_revoked(box: Sandbox) -> None:
    access = redeem(box).json()["access_token"]
    for token in (access, box.token, "unknown"):
        assert ask(box, "revoke", token=token).status_code == 200
    assert api(box, access).status_code == 403
    assert api(box, box.token).status_code == 200


@pytest.mark.parametrize("organization", ["", "x", "-1", "99"])
def test_an_unknown_organization_is_not_allowed(box: Sandbox, organization: str) -> None:
    form = ASKED | {"decision": "allow", "organization": organization}
    answer = httpx.post(f"{box.url}/oauth2/auth", data=form)
    assert "error=access_denied" in answer.headers["Location"]


def test_it_fails_on_demand(box: Sandbox) -> None:
    code = {"grant_type": "refresh_token", "refresh_token": redeem(box).json()["refresh_token"]}
    httpx.post(f"{box.url}/_sandbox/behave", json={"error": "500", "times": 1})
    assert ask(box, **code).status_code == 500
    httpx.post(f"{box.url}/_sandbox/behave", json={"error": "lost", "times": 1})
    with pytest.raises(httpx.HTTPError):
        ask(box, **code)
    assert ask(box, **code).json() == {"error": "invalid_grant"}
    ledger = httpx.get(f"{box.url}/_sandbox/oauth_ledger").json()
    assert [each["answer"] for each in ledger] == ["200", "500", "lost", "400"]
