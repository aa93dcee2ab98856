"""Connecting to Katapult through OAuth2: to the consent page and back."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from ipadmin.models import ApiToken, AuditLink, LinkKind, User
from ipadmin.sandbox import Sandbox
from tests.conftest import ClientOf
from tests.oauth import BACK, connected, decide

pytestmark = pytest.mark.django_db
CONNECT, BACK_PATH = reverse("connect"), reverse("connected")


def begin(client: Client, url: str = CONNECT) -> str:
    """The consent page that the browser is sent to."""
    answer = client.post(url)
    assert answer.status_code == 302
    return str(answer["Location"])


def test_the_button_is_there_if_oauth_is_configured(alices: Client, settings: Settings) -> None:
    assert CONNECT not in alices.get(reverse("tokens")).content.decode()
    assert alices.post(CONNECT).status_code == 404
    settings.KATAPULT_OAUTH_CLIENT_ID = settings.KATAPULT_OAUTH_CLIENT_SECRET = "x"
    assert CONNECT in alices.get(reverse("tokens")).content.decode()


def test_the_browser_is_sent_to_katapult(alices: Client, identity: Sandbox) -> None:
    url = begin(alices)
    assert url.startswith(f"{identity.url}/oauth2/auth?")
    query = {name: value for name, [value] in parse_qs(urlsplit(url).query).items()}
    assert query["redirect_uri"] == BACK
    assert query["response_type"] == "code"
    assert query["code_challenge_method"] == "S256"
    assert len(query["state"]) >= 40
    assert query["scope"].split() == [
        f"api.katapult.io/core/v1/{scope}"
        for scope in (
            *("ip_addresses", "ip_addresses:read"),
            *("organizations:read", "virtual_machines:read"),
        )
    ]
    # The verifier stays here.
    assert alices.session["katapult_oauth"]["verifier"] not in url


def test_allow_adds_a_token(alices: Client, alice: User, identity: Sandbox) -> None:
    answer = alices.get(BACK_PATH, decide(begin(alices), organization=1), follow=True)
    token = ApiToken.objects.get(owner=alice)
    assert answer.redirect_chain[-1][0] == reverse("token", args=[token.id])
    shown = answer.content.decode()
    assert "Token “Katapult” was added." in shown
    assert "Connected through Katapult" in shown
    assert token.organization_sub_domain == "harbour-labs"
    details = AuditLink.objects.get(kind=LinkKind.TOKEN_ADDED).details
    assert details
    assert details["by"]["user_name"] == "alice"


def test_deny_adds_nothing(alices: Client, identity: Sandbox) -> None:
    answer = alices.get(BACK_PATH, decide(begin(alices), "deny"), follow=True)
    assert "You did not allow access in Katapult. Nothing was changed." in answer.content.decode()
    assert not ApiToken.objects.exists()
    assert identity.oauth_ledger() == []


def test_another_error_is_shown_escaped(alices: Client, identity: Sandbox) -> None:
    query = decide(begin(alices), "deny") | {"error": "<b>server_error"}
    shown = alices.get(BACK_PATH, query, follow=True).content.decode()
    assert "did not connect this site: &lt;b&gt;server_error" in shown


@pytest.mark.parametrize("state", [None, "", "x", "é"])
def test_another_state_is_refused(alices: Client, identity: Sandbox, state: str | None) -> None:
    query = decide(begin(alices))
    query.pop("state")
    answer = alices.get(
        BACK_PATH, query if state is None else query | {"state": state}, follow=True
    )
    assert "not begun in this session" in answer.content.decode()
    assert not ApiToken.objects.exists()
    assert identity.oauth_ledger() == []


def test_the_answer_of_another_session_is_refused(
    alices: Client, bob: User, client_of: ClientOf, identity: Sandbox
) -> None:
    """An attacker can't make a victim use the attacker's account at Katapult."""
    query = decide(begin(alices))
    bobs = client_of(bob)
    assert "not begun" in bobs.get(BACK_PATH, query, follow=True).content.decode()
    begin(bobs)
    assert "not begun" in bobs.get(BACK_PATH, query, follow=True).content.decode()
    assert not ApiToken.objects.exists()


def test_an_answer_counts_once(alices: Client, identity: Sandbox) -> None:
    query = decide(begin(alices))
    alices.get(BACK_PATH, query)
    assert "not begun" in alices.get(BACK_PATH, query, follow=True).content.decode()
    assert ApiToken.objects.count() == 1


@pytest.mark.parametrize(
    ("error", "title"),
    [
        ("invalid_grant", "Connect to Katapult again"),
        ("500", "Katapult&#x27;s sign-in can&#x27;t be reached"),
        ("lost", "Katapult&#x27;s sign-in can&#x27;t be reached"),
    ],
)
def test_a_code_that_is_not_accepted(
    alices: Client, identity: Sandbox, error: str, title: str
) -> None:
    query = decide(begin(alices))
    identity.behave(error=error)
    answer = alices.get(BACK_PATH, query, follow=True)
    # Pages repeat their own URL.
    assert answer.redirect_chain == [(reverse("tokens"), 302)]
    shown = answer.content.decode()
    assert title in shown
    assert "Nothing was changed." in shown
    assert query["code"] not in shown
    assert not ApiToken.objects.exists()


def test_only_operators_connect(
    adam: User, audrey: User, client_of: ClientOf, identity: Sandbox
) -> None:
    for user in (adam, audrey):
        assert client_of(user).post(CONNECT).status_code == 403
        assert client_of(user).get(BACK_PATH).status_code == 403


def test_connecting_needs_a_recent_proof_of_identity(
    alices: Client, identity: Sandbox, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr("ipadmin.access.require_identity", lambda _, within: asked.append(within))
    begin(alices)
    assert asked == [settings.REAUTHENTICATE_AFTER]


def ended(user: User) -> ApiToken:
    token = connected(user)
    token.encrypted_refresh_token, token.expires_at = None, timezone.now()
    token.save()
    return token


def test_connecting_again(alices: Client, alice: User, identity: Sandbox) -> None:
    token = ended(alice)
    again = reverse("token_connect", args=[token.id])
    assert again in alices.get(reverse("tokens")).content.decode()
    shown = alices.get(reverse("token", args=[token.id])).content.decode()
    assert "The connection has ended" in shown
    answer = alices.get(BACK_PATH, decide(begin(alices, again)), follow=True)
    assert "“Katapult” is connected to Katapult again." in answer.content.decode()
    assert not ApiToken.objects.get().must_connect_again


def test_connecting_again_with_another_organization(
    alices: Client, alice: User, identity: Sandbox
) -> None:
    again = reverse("token_connect", args=[ended(alice).id])
    answer = alices.get(BACK_PATH, decide(begin(alices, again), organization=1), follow=True)
    assert "can&#x27;t access Northwind" in answer.content.decode()
    assert ApiToken.objects.get().must_connect_again


def test_nobody_connects_another_persons_token(
    alices: Client, bob: User, identity: Sandbox
) -> None:
    assert alices.post(reverse("token_connect", args=[ended(bob).id])).status_code == 404


def test_deleting_revokes(alices: Client, alice: User, identity: Sandbox) -> None:
    url = reverse("token_delete", args=[connected(alice).id])
    assert "revokes its access in Katapult" in alices.get(url).content.decode()
    alices.post(url)
    assert identity.engine.oauth.grants == {}
    assert not ApiToken.objects.exists()
