"""The list of one's own tokens, and how each of them stands."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from ipadmin.katapult.types import Allocation, Exchange, IPAddress, Organization
from ipadmin.models import ApiToken, User
from ipadmin.services import budget, snapshots
from ipadmin.services.snapshots import Inventory
from tests.conftest import ClientOf
from tests.page import Page, text_of
from tests.services.conftest import keep_token
from tests.views.conftest import PLANTED
from tests.views.katapult import HOSTILE

URL = "/tokens/"


def test_the_list_of_tokens_without_tokens(alices: Client) -> None:
    answer = alices.get(URL)
    assert answer.status_code == 200
    assert "No tokens yet" in answer.text
    assert reverse("token_add") in answer.text


def test_the_list_shows_a_token_that_works(alices: Client, token: ApiToken) -> None:
    token.can_list, token.used_at = True, timezone.now()
    token.save()
    text = alices.get(URL).text
    for shown in ("Live", "Acme", "••••NARY", "Working", reverse("addresses", args=[token.id])):
        assert shown in text
    assert PLANTED not in text


def test_the_list_shows_a_token_without_an_organization(alices: Client, unready: ApiToken) -> None:
    text = alices.get(URL).text
    assert "No organization yet" in text
    assert reverse("token_organization", args=[unready.id]) in text
    assert reverse("addresses", args=[unready.id]) not in text


def test_the_list_shows_a_token_that_cannot_be_decrypted(
    alices: Client, unopenable: ApiToken
) -> None:
    text = alices.get(URL).text
    assert "Enter again" in text
    assert reverse("token_replace", args=[unopenable.id]) in text
    assert reverse("addresses", args=[unopenable.id]) not in text


def test_a_token_moved_to_another_owner_cannot_be_decrypted(
    alices: Client, alice: User, bobs_token: ApiToken
) -> None:
    ApiToken.objects.update(owner=alice)
    assert "Enter again" in alices.get(URL).text


@pytest.mark.parametrize(
    ("fields", "words", "page"),
    [
        (
            {"last_error_code": "invalid_api_token"},
            ["Rejected by Katapult", "invalid_api_token"],
            "token_replace",
        ),
        (
            {"can_unallocate": False, "missing_scopes": ["ip_addresses"]},
            ["Read-only", "scope ip_addresses is missing"],
            "token_replace",
        ),
        (
            {"can_list_machines": False, "missing_scopes": ["virtual_machines:read"]},
            ["Limited", "scope virtual_machines:read is missing"],
            "token_check",
        ),
        ({"can_list": None}, ["Not checked", "Check now", "Never"], "token_check"),
    ],
)
def test_the_list_shows_the_state_of_a_token_and_its_next_step(
    alices: Client, token: ApiToken, fields: dict[str, Any], words: list[str], page: str
) -> None:
    ApiToken.objects.update(**fields)
    text = alices.get(URL).text.replace("<wbr>", "")
    assert all(word in text for word in [*words, reverse(page, args=[token.id])])


def test_the_list_is_an_overview_of_organizations(
    alices: Client, alice: User, token: ApiToken
) -> None:
    keep_token(alice, "second0of0acme", Organization("org_1", "Acme", "acme"), "Second")
    keep_token(alice, "brook0brook0brook", Organization("org_2", "Brook", "brook"), "Brook's")
    web = Allocation("vm_1", "VirtualMachine", None)
    addresses = tuple(
        IPAddress(f"ip_{n}", f"192.0.2.{n}", None, vip=False, allocation=web if n else None)
        for n in range(3)
    )
    snapshots.store(token, Inventory(addresses, timezone.now() - timedelta(minutes=5)))
    acme, brook = Page(alices.get(URL)).all(".token-group")
    for shown in ("3 addresses, 2 allocated, read 5 min ago", "Live", "Second"):
        assert shown in text_of(acme)
    assert "Addresses not read yet" in text_of(brook)


def test_the_list_shows_age_errors_and_calls_left(alices: Client, token: ApiToken) -> None:
    ApiToken.objects.update(
        created_at=timezone.now() - timedelta(days=40),
        last_error_code="answer_lost",
        last_error_at=timezone.now() - timedelta(hours=2),
    )
    budget.note(
        Exchange(
            "GET",
            "/",
            0.1,
            200,
            token_fingerprint=token.fingerprint,
            rate_limit_remaining=987,
            rate_limit_permitted=1000,
        )
    )
    for url in (URL, token.get_absolute_url()):
        text = alices.get(url).text.replace("<wbr>", "")
        assert all(shown in text for shown in ("40 d ago", "answer_lost", "987"))


def test_a_short_secret_is_not_shown_in_part(alices: Client, token: ApiToken) -> None:
    ApiToken.objects.update(last_four="")
    assert "••••" not in alices.get(URL).text


def test_names_in_the_list_of_tokens_are_escaped(alices: Client, token: ApiToken) -> None:
    ApiToken.objects.update(
        label=HOSTILE,
        organization_name=HOSTILE,
        organization_sub_domain=f"{HOSTILE}!",
        last_error_code=HOSTILE,
    )
    text = alices.get(URL).text
    assert HOSTILE not in text
    assert text.count("&lt;script&gt;") >= 4


def test_a_user_sees_only_own_tokens(alices: Client, bobs_token: ApiToken) -> None:
    text = alices.get(URL).text
    assert "Bob" not in text
    assert "No tokens yet" in text


def test_an_administrator_sees_only_own_tokens(
    adam_the_operator: User, client_of: ClientOf, token: ApiToken
) -> None:
    assert "No tokens yet" in client_of(adam_the_operator).get(URL).text


def test_only_operators_see_tokens(charlie: User, audrey: User, client_of: ClientOf) -> None:
    assert client_of(charlie).get(URL).status_code == 403
    assert client_of(audrey).get(URL).status_code == 403


@pytest.mark.django_db
def test_the_list_of_tokens_needs_a_sign_in(client: Client) -> None:
    assert client.get(URL)["Location"] == "/accounts/login/?next=/tokens/"


def test_the_list_of_tokens_refuses_post(alices: Client) -> None:
    assert alices.post(URL).status_code == 405
