"""Sign-in with OpenID Connect: who may, with which roles, and what a hostile answer can do."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from allauth.account.authentication import get_authentication_records
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django.contrib.auth.models import Group
from django.http import HttpRequest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings
from structlog.testing import capture_logs

from ipadmin import federation
from ipadmin.models import AuditLink, LinkKind, User
from ipadmin.ui import account_texts
from tests.conftest import PASSWORD, ClientOf, person
from tests.provider import CLIENT_SECRET, OTHER_KEY, PERSON, Provider, running, visit
from tests.services.test_canary import everything_in_the_database

pytestmark = pytest.mark.django_db
LOGIN, BACK = (
    reverse("oidc_login"),
    reverse("openid_connect_callback", kwargs={"provider_id": "oidc"}),
)
SIGN_IN = reverse("account_login")


@pytest.fixture
def provider(settings: Settings, db: None) -> Iterator[Provider]:
    with running(settings) as provider:
        yield provider


def begin(client: Client, **form: str) -> dict[str, str]:
    """What the provider is asked for."""
    return asked_by(client.post(LOGIN, form))


def asked_by(answer: Any) -> dict[str, str]:
    assert answer.status_code == 302
    visit(answer["Location"])
    return dict(parse_qsl(urlsplit(answer["Location"]).query))


def sign_in(client: Client, provider: Provider, **form: str) -> Any:
    return client.get(BACK, provider.code(begin(client, **form)), follow=True)


def user_of(client: Client) -> User | None:
    return User.objects.filter(pk=client.session.get("_auth_user_id") or 0).first()


def roles(user: User) -> list[str]:
    return sorted(user.groups.values_list("name", flat=True))


def refusal(answer: Any) -> str:
    """Why nobody was signed in."""
    assert answer.redirect_chain[-1][0] == SIGN_IN
    [message] = answer.context["messages"]
    return str(message)


def details(kind: LinkKind) -> dict[str, Any]:
    found: dict[str, Any] | None = AuditLink.objects.filter(kind=kind).latest("sequence").details
    assert found
    return found


def test_the_provider_is_asked_with_state_nonce_and_pkce(
    client: Client, provider: Provider
) -> None:
    asked = begin(client)
    assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
    assert len(asked["nonce"]) >= 32
    assert asked["state"]
    assert asked["redirect_uri"] == f"http://testserver{BACK}"
    assert set(asked["scope"].split()) == {"openid", "profile", "email"}


def test_the_first_sign_in_makes_an_account(client: Client, provider: Provider) -> None:
    answer = sign_in(client, provider, next="/audit/")
    assert answer.redirect_chain[0] == ("/audit/", 302)
    carol = User.objects.get(username="carol")
    assert user_of(client) == carol
    assert (carol.email, carol.display_name) == ("carol@example.com", "Carol Danvers")
    assert not carol.has_usable_password()
    assert not carol.is_superuser
    assert roles(carol) == ["operator"]
    found = details(LinkKind.ROLES_CHANGED)
    assert (found["person"], found["old"], found["new"]) == ("carol", [], ["operator"])
    assert found["by"]["provider"] == "Example ID"


def test_little_is_stored(client: Client, provider: Provider) -> None:
    sign_in(client, provider)
    sign_in(Client(), provider)
    account = SocialAccount.objects.get()
    assert (account.uid, account.extra_data) == (PERSON["sub"], {})
    assert not SocialToken.objects.exists()


def test_the_second_sign_in_finds_the_account(client: Client, provider: Provider) -> None:
    sign_in(client, provider)
    # Whatever the provider calls the person now.
    provider.person |= {"preferred_username": "carol.d", "email": "carol.d@example.com"}
    other = Client()
    sign_in(other, provider)
    assert user_of(other) == user_of(client)
    assert User.objects.count() == 1


def test_roles_follow_the_claim(client: Client, provider: Provider) -> None:
    sign_in(client, provider)
    carol = User.objects.get()
    carol.groups.add(Group.objects.get(name="administrator"))
    provider.person["groups"] = ["sec", "ops", "unknown", 7]
    sign_in(client, provider)
    assert roles(carol) == ["auditor", "operator"]
    found = details(LinkKind.ROLES_CHANGED)
    assert (found["old"], found["new"]) == (["administrator", "operator"], ["auditor", "operator"])
    before = AuditLink.objects.filter(kind=LinkKind.ROLES_CHANGED).count()
    sign_in(client, provider)
    assert AuditLink.objects.filter(kind=LinkKind.ROLES_CHANGED).count() == before


@pytest.mark.parametrize("groups", [None, [], "none", ["everyone"], {"a": 1}])
def test_nobody_without_a_role_gets_an_account(
    client: Client, provider: Provider, groups: object
) -> None:
    provider.person["groups"] = groups
    assert refusal(sign_in(client, provider)) == federation.NO_ROLE
    assert not User.objects.exists()
    found = details(LinkKind.SIGN_IN_FAILED)
    assert (found["name"], found["why"]) == ("carol", federation.NO_ROLE)


def test_who_loses_every_role_is_refused_and_loses_them_here(
    client: Client, provider: Provider
) -> None:
    sign_in(client, provider)
    provider.person["groups"] = []
    assert refusal(sign_in(Client(), provider)) == federation.NO_ROLE
    # Also in sessions that were begun before.
    assert roles(User.objects.get()) == []
    assert client.get(reverse("tokens")).status_code == 403


def test_the_last_administrator_can_lose_the_role(client: Client, provider: Provider) -> None:
    provider.person["groups"] = ["boss"]
    sign_in(client, provider)
    provider.person["groups"] = ["ops"]
    with capture_logs() as logs:
        sign_in(client, provider)
    assert "no_administrator_left" in [each["event"] for each in logs]
    assert roles(User.objects.get()) == ["operator"]


@pytest.mark.parametrize("claim", ["realm_access.roles", "https://x.example/roles"])
def test_a_claim_can_be_within_an_object_or_have_dots(
    client: Client, provider: Provider, settings: Settings, claim: str
) -> None:
    settings.OIDC_ROLE_CLAIM = claim
    value: object = "ops"
    provider.person[claim.partition(".")[0] if "realm" in claim else claim] = (
        {"roles": [value]} if "realm" in claim else value
    )
    sign_in(client, provider)
    assert roles(User.objects.get()) == ["operator"]


@pytest.mark.parametrize(
    "changed",
    [
        {"email": "carol@other.example"},
        {"email": "carol@example.com.evil.example"},
        {"email": "carol@sub.example.com"},
        {"email": "example.com"},
        {"email": None},
        {"email_verified": False},
        {"email_verified": None},
        {"email_verified": "false"},
    ],
)
def test_only_verified_addresses_of_the_domain_may_sign_in(
    client: Client, provider: Provider, changed: dict[str, Any]
) -> None:
    provider.person |= changed
    assert refusal(sign_in(client, provider)) == federation.NOT_ALLOWED
    assert not User.objects.exists()


def test_a_local_account_is_never_taken_over(
    client: Client, alice: User, provider: Provider
) -> None:
    alice.email = "alice@example.com"
    alice.save()
    provider.person |= {"preferred_username": "ALICE", "email": "alice@example.com"}
    sign_in(client, provider)
    found = user_of(client)
    assert found
    assert found != alice
    assert found.username == "ALICE-2"
    assert not SocialAccount.objects.filter(user=alice).exists()


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("Zoë", "Zoe"),
        ("аlice", "lice"),  # noqa: RUF001 - a Cyrillic letter
        ("例", "person"),
        (None, "carol@example.com"),
        ("a b/c\n<d>", "abcd"),
        ("x" * 500, "x" * 140),
    ],
)
def test_user_names_are_ascii(
    client: Client, provider: Provider, given: str | None, name: str
) -> None:
    provider.person["preferred_username"] = given
    sign_in(client, provider)
    user = User.objects.get()
    user.full_clean(exclude=["password"])
    assert user.username == name


def test_a_disabled_account_is_refused(client: Client, provider: Provider) -> None:
    sign_in(client, provider)
    User.objects.update(is_active=False)
    other = Client()
    assert refusal(sign_in(other, provider)) == account_texts.NO_SIGN_IN
    assert user_of(other) is None


@pytest.mark.parametrize(
    "id_token",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"iss": "https://evil.example"},
        {"aud": "another-client"},
        {"exp": 1},
        {"sub": "another"},
    ],
)
def test_an_id_token_that_is_not_for_this_sign_in(
    client: Client, provider: Provider, id_token: dict[str, Any]
) -> None:
    provider.id_token = id_token
    assert refusal(sign_in(client, provider)) == federation.NOT_VERIFIED
    assert user_of(client) is None
    assert not User.objects.exists()


def test_an_id_token_with_another_signature(client: Client, provider: Provider) -> None:
    provider.key = OTHER_KEY
    assert refusal(sign_in(client, provider)) == federation.NOT_VERIFIED
    assert not User.objects.exists()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/token", {}),
        ("/token", {"error": "invalid_grant"}),
        ("/token", "<html>"),
        ("/token", {"access_token": "x", "id_token": "x.y.z"}),
        ("/token", {"access_token": "x", "id_token": 7}),
        ("/userinfo", {}),
        ("/userinfo", "<html>"),
        ("/userinfo", {"error": "x"}),
        ("/userinfo", []),
        ("/jwks", {}),
        ("/jwks", {"keys": []}),
    ],
)
def test_a_wrong_answer_signs_nobody_in(
    client: Client, provider: Provider, path: str, body: object
) -> None:
    provider.answers[path] = body
    assert "Nothing was changed." in refusal(sign_in(client, provider))
    assert not User.objects.exists()


@pytest.mark.parametrize("body", ["<html>", {}, [], {"error": "x"}])
def test_a_wrong_discovery_document(client: Client, provider: Provider, body: object) -> None:
    provider.answers["/.well-known/openid-configuration"] = body
    assert "did not answer as expected" in refusal(client.post(LOGIN, follow=True))


def test_a_provider_that_is_down(client: Client, provider: Provider, settings: Settings) -> None:
    settings.OIDC_DISCOVERY_URL = "http://127.0.0.1:9/.well-known/openid-configuration"
    assert "did not answer as expected" in refusal(client.post(LOGIN, follow=True))


def test_cancel(client: Client, provider: Provider) -> None:
    query = {"error": "access_denied", "state": begin(client)["state"]}
    assert "You did not sign in." in refusal(client.get(BACK, query, follow=True))


@pytest.mark.parametrize("state", ["", "x"])
def test_the_answer_to_another_session(client: Client, provider: Provider, state: str) -> None:
    query = provider.code(begin(client))
    assert refusal(Client().get(BACK, query, follow=True)) == federation.NOT_VERIFIED
    query["state"] = state
    assert refusal(client.get(BACK, query, follow=True)) == federation.NOT_VERIFIED
    assert not User.objects.exists()


def test_an_answer_counts_once(client: Client, provider: Provider) -> None:
    query = provider.code(begin(client))
    client.get(BACK, query)
    client.logout()
    assert refusal(client.get(BACK, query, follow=True)) == federation.NOT_VERIFIED


def test_nobody_is_sent_to_another_site_afterwards(client: Client, provider: Provider) -> None:
    answer = sign_in(client, provider, next="https://evil.example/")
    assert all("evil" not in url for url, _ in answer.redirect_chain)


def test_without_configuration_there_is_none(client: Client) -> None:
    assert client.post(LOGIN).status_code == 404
    assert client.get(BACK).status_code == 404
    assert LOGIN not in client.get(SIGN_IN).content.decode()


def test_an_app_in_the_database_is_not_used(client: Client) -> None:
    settings = {"server_url": "https://evil.example"}
    SocialApp.objects.create(
        provider="openid_connect", provider_id="oidc", name="x", client_id="x", settings=settings
    )
    assert client.post(LOGIN).status_code == 404


def test_a_get_does_not_begin_a_sign_in(client: Client, provider: Provider) -> None:
    assert client.get(LOGIN).status_code == 405


def test_local_sign_in_can_be_off(
    client: Client, alice: User, provider: Provider, settings: Settings
) -> None:
    form = {"login": "alice", "password": PASSWORD}
    assert 'name="password"' in client.get(SIGN_IN).content.decode()
    settings.LOCAL_SIGN_IN = "off"
    shown = client.get(SIGN_IN).content.decode()
    assert 'name="password"' not in shown
    assert "Sign in with Example ID" in shown
    assert client.post(SIGN_IN, form).status_code == 403
    assert user_of(client) is None
    sign_in(client, provider)
    assert user_of(client)


# A proof of identity


def records(client: Client) -> list[dict[str, Any]]:
    request = HttpRequest()
    request.session = client.session
    found: list[dict[str, Any]] = get_authentication_records(request, user_of(client))
    return found


def prove(client: Client, provider: Provider, **changed: Any) -> Any:
    asked = asked_by(client.get(reverse("oidc_prove"), {"next": "/tokens/"}))
    assert (asked["prompt"], asked["max_age"]) == ("login", "0")
    provider.id_token = changed
    return client.get(BACK, provider.code(asked), follow=True)


def test_a_person_without_password_proves_their_identity_with_the_provider(
    client: Client, provider: Provider
) -> None:
    sign_in(client, provider)
    answer = prove(client, provider)
    assert answer.redirect_chain == [("/tokens/", 302)]
    proof = records(client)[-1]
    assert (proof["method"], proof["reauthenticated"]) == ("socialaccount", True)
    assert time.time() - proof["at"] < 60


@pytest.mark.parametrize("at", [None, 1, "now", "future"])
def test_a_sign_in_of_before_is_no_proof(client: Client, provider: Provider, at: object) -> None:
    sign_in(client, provider)
    answer = prove(client, provider, auth_time=int(time.time()) + 999 if at == "future" else at)
    assert federation.NOT_RECENT in [str(each) for each in answer.context["messages"]]
    assert not any(each.get("reauthenticated") for each in records(client))


def test_another_persons_sign_in_is_no_proof(client: Client, provider: Provider) -> None:
    sign_in(client, provider)
    other = Client()
    provider.person |= {"sub": "2", "preferred_username": "dave"}
    sign_in(other, provider)
    answer = prove(client, provider)
    assert federation.ANOTHER_PERSON in [str(each) for each in answer.context["messages"]]
    carol = user_of(client)
    assert carol
    assert carol.username == "carol"


def test_a_dangerous_step_leads_to_the_provider_and_is_carried_out_afterwards(
    client: Client, provider: Provider, settings: Settings
) -> None:
    sign_in(client, provider)
    settings.KATAPULT_OAUTH_CLIENT_ID = settings.KATAPULT_OAUTH_CLIENT_SECRET = "x"
    settings.REAUTHENTICATE_AFTER = 30
    session = client.session
    session["account_authentication_methods"][0]["at"] -= 31
    session.save()
    answer = client.post(reverse("connect"))
    assert str(answer["Location"]).startswith(reverse("oidc_prove"))
    asked = asked_by(client.get(answer["Location"]))
    done = client.get(BACK, provider.code(asked))
    assert str(done["Location"]).startswith(settings.KATAPULT_OAUTH_AUTHORIZE_URL)


def test_a_person_with_a_password_is_not_sent_to_the_provider(
    alice: User, client_of: ClientOf, provider: Provider
) -> None:
    assert not federation.can_prove_identity(alice)
    SocialAccount.objects.create(user=alice, provider="oidc", uid="1")
    assert federation.can_prove_identity(alice)
    assert not federation.can_prove_identity(person("eve"))


@pytest.mark.parametrize("path", ["", "/token", "/userinfo", "/jwks"])
def test_a_sign_in_leaves_its_secrets_nowhere(
    client: Client, provider: Provider, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    """The secret of the client, the code, its verifier, the nonce and both tokens."""
    caplog.set_level(logging.DEBUG, "ipadmin")
    asked = begin(client)
    [[state, *_]] = client.session["socialaccount_states"].values()
    query = provider.code(asked)
    if path:
        provider.answers[path] = "<html>"
    answer = client.get(BACK, query, follow=True)
    planted = [CLIENT_SECRET, query["code"], state["pkce_code_verifier"], asked["nonce"]]
    planted += provider.tokens
    seen = everything_in_the_database() + caplog.text + answer.content.decode()
    seen += repr(client.cookies)
    assert [secret for secret in planted if secret in seen] == []
