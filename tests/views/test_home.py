"""Everybody lands where they have something to do."""

from __future__ import annotations

import pytest
from django.test import Client

from ipadmin.models import User
from tests.conftest import ClientOf


@pytest.mark.parametrize(
    ("who", "where"), [("alice", "/addresses/"), ("audrey", "/audit/"), ("adam", "/people/")]
)
def test_home_leads_each_role_to_its_page(
    request: pytest.FixtureRequest, client_of: ClientOf, who: str, where: str
) -> None:
    answer = client_of(request.getfixturevalue(who)).get("/")
    assert answer.status_code == 302
    assert answer["Location"] == where


def test_home_leads_an_administrator_who_is_an_operator_to_addresses(
    adam_the_operator: User, client_of: ClientOf
) -> None:
    assert client_of(adam_the_operator).get("/")["Location"] == "/addresses/"


def test_home_tells_a_user_without_a_role_whom_to_ask(charlie: User, client_of: ClientOf) -> None:
    answer = client_of(charlie).get("/")
    assert answer.status_code == 200
    assert "has no role yet" in answer.text
    assert "charlie" in answer.text
    assert "/addresses/" not in answer.text


@pytest.mark.django_db
def test_home_needs_a_sign_in(client: Client) -> None:
    assert client.get("/")["Location"] == "/accounts/login/?next=/"


def test_home_refuses_post(alices: Client) -> None:
    assert alices.post("/").status_code == 405


def test_every_page_shows_its_environment(charlie: User, client_of: ClientOf) -> None:
    answer = client_of(charlie).get("/")
    assert 'data-environment="sandbox"' in answer.text
    assert "<title>No role yet · IP admin · SANDBOX</title>" in answer.text
