"""The page of a link, before its person can sign in."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from ipadmin.audit.activity import Actor
from ipadmin.models import AuditLink, Session, User
from ipadmin.services import people
from tests.conftest import PASSWORD, ClientOf
from tests.page import Page
from tests.views.katapult import HOSTILE

URL = "/invitation/"
pytestmark = pytest.mark.django_db


@pytest.fixture
def dora() -> User:
    return User(username="dora", first_name="Dora")


@pytest.fixture
def secret(db: None, dora: User) -> str:
    return people.invite(dora, [Group.objects.get(name="auditor")], Actor(command_line="root"))


def send(client: Client, secret: str, password: str = "", again: str | None = None) -> Any:
    passwords = {"new_password1": password, "new_password2": again or password}
    return client.post(URL, {"secret": secret, **(passwords if password else {})})


def test_from_the_link_to_the_first_page(client: Client, secret: str, dora: User) -> None:
    opened = send(client, secret)
    assert opened.status_code == 200
    assert "dora" in opened.text
    answer = send(client, secret, PASSWORD)
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert client.get("/audit/").status_code == 200
    dora.refresh_from_db()
    assert dora.check_password(PASSWORD)
    assert not dora.must_change_password
    by = AuditLink.objects.get(kind="invitation_used").details or {}
    assert by["by"]["user_name"] == "dora"
    assert by["by"]["source_ip"] == "127.0.0.1"


def test_a_whole_link_is_accepted(client: Client, secret: str) -> None:
    assert "dora" in send(client, f"https://ip.example.com{URL}#{secret}").text


def test_a_get_changes_and_reveals_nothing(client: Client, secret: str) -> None:
    """As a link scanner of a mail system does, with the secret in every place it can be."""
    before = AuditLink.objects.count()
    for query in ("", f"?secret={secret}"):
        for method in (client.get, client.head):
            answer = method(URL + query)
            assert answer.status_code == 200
            assert "dora" not in answer.text
            assert answer["Referrer-Policy"] == "same-origin"
    assert send(client, secret).status_code == 200
    assert AuditLink.objects.count() == before
    assert not Session.objects.exists()
    assert people.find_link(secret)


@pytest.mark.parametrize(
    ("password", "again"),
    [
        ("no-way", "no-way"),
        ("dora-dora-dora", "dora-dora-dora"),
        ("123456789012345", "123456789012345"),
        (PASSWORD, PASSWORD + "x"),
    ],
)
def test_passwords_are_validated(
    client: Client, secret: str, dora: User, password: str, again: str
) -> None:
    User.objects.filter(pk=dora.pk).update(first_name="Dora-dora-dora")
    answer = send(client, secret, password, again)
    assert answer.status_code == 422
    assert Page(answer).all(".errorlist")
    assert password not in answer.text
    dora.refresh_from_db()
    assert not dora.has_usable_password()
    assert people.find_link(secret)


def test_a_link_that_is_no_longer_valid(client: Client, secret: str) -> None:
    send(client, secret, PASSWORD)
    other = Client()
    for answer in (send(other, secret), send(other, secret, PASSWORD), send(other, HOSTILE)):
        assert answer.status_code == 410
        assert "This link is not valid" in answer.text
        assert secret not in answer.text
        assert HOSTILE not in answer.text


def test_a_disabled_person_cannot_join(client: Client, secret: str, dora: User, adam: User) -> None:
    people.disable(dora, Actor(user_id=adam.pk))
    people.enable(dora, Actor(user_id=adam.pk))
    assert send(client, secret, PASSWORD).status_code == 410


def test_someone_who_is_signed_in(client_of: ClientOf, alice: User, secret: str) -> None:
    client = client_of(alice)
    answer = send(client, secret, PASSWORD)
    assert "You are signed in" in answer.text
    assert people.find_link(secret)


@pytest.mark.parametrize("secret", ["\0", "x" * 300, "ä"])
def test_no_secret_at_all(client: Client, secret: str) -> None:
    assert send(client, secret).status_code in {410, 422}


def test_the_form_needs_the_csrf_token(secret: str) -> None:
    assert send(Client(enforce_csrf_checks=True), secret, PASSWORD).status_code == 403
    assert people.find_link(secret)
