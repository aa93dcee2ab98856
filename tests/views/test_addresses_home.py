"""`/addresses/` leads to the addresses of the token used last."""

from __future__ import annotations

from datetime import timedelta

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from ipadmin.katapult.types import Organization
from ipadmin.models import ApiToken, User
from tests.conftest import ClientOf
from tests.services.conftest import keep_token

URL = "/addresses/"


def test_addresses_leads_to_the_list_of_the_only_token(alices: Client, token: ApiToken) -> None:
    assert alices.get(URL)["Location"] == reverse("addresses", args=[token.id])


def test_addresses_leads_to_the_list_of_the_token_used_last(
    alices: Client, alice: User, token: ApiToken
) -> None:
    other = keep_token(alice, "x" * 20, Organization("org_2", "Brook", "brook"), "Other")
    for each, age in ((token, 5), (other, 10)):
        each.used_at = timezone.now() - timedelta(minutes=age)
        each.save()
    assert alices.get(URL)["Location"] == reverse("addresses", args=[token.id])


def test_without_a_token_it_leads_to_adding_one(alices: Client) -> None:
    answer = alices.get(URL)
    assert answer.status_code == 200
    assert "Add an API token to see addresses" in answer.text
    assert reverse("token_add") in answer.text


def test_addresses_passes_over_a_token_without_an_organization(
    alices: Client, unready: ApiToken
) -> None:
    assert "Add an API token" in alices.get(URL).text


def test_addresses_passes_over_tokens_of_other_users(alices: Client, bobs_token: ApiToken) -> None:
    assert "Add an API token" in alices.get(URL).text


def test_addresses_is_for_operators_only(charlie: User, audrey: User, client_of: ClientOf) -> None:
    assert client_of(charlie).get(URL).status_code == 403
    assert client_of(audrey).get(URL).status_code == 403
