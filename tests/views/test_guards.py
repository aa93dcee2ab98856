"""What every view that writes refuses, whoever asks and however."""

# Pytest passes them by name.
# ruff: noqa: PLR0917
from __future__ import annotations

import uuid

import pytest
from django.test import Client
from django.urls import reverse

from ipadmin.models import ApiToken, AuditEntry, User
from tests.conftest import ClientOf
from tests.services.katapult import IP
from tests.views.conftest import HTMX
from tests.views.katapult import Organizations

OF_A_TOKEN = [
    "token",
    "token_organization",
    "token_check",
    "token_replace",
    "token_delete",
    "token_connect",
    "unallocate",
]
ALL = ["token_add", "connect", *OF_A_TOKEN]
every_write = pytest.mark.parametrize("name", ALL)
every_write_to_a_token = pytest.mark.parametrize("name", OF_A_TOKEN)
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("katapult")]


def url(name: str, token_id: uuid.UUID | None = None) -> str:
    arguments = {"token_add": [], "connect": [], "unallocate": [token_id or uuid.UUID(int=0), IP]}
    return reverse(name, args=arguments.get(name, [token_id or uuid.UUID(int=0)]))


def unchanged(token: ApiToken) -> bool:
    kept = ApiToken.objects.filter(pk=token.pk).values().get()
    return all(getattr(token, name) == value for name, value in kept.items())


@every_write
def test_nobody_writes_without_a_sign_in(
    client: Client, katapult: Organizations, name: str
) -> None:
    answer = client.post(url(name), {"label": "x"})
    assert answer.status_code == 302
    assert answer["Location"] == f"/accounts/login/?next={url(name)}"
    assert katapult.requests == []


def test_checking_a_token_refuses_get(alices: Client, token: ApiToken) -> None:
    assert alices.get(url("token_check", token.id)).status_code == 405
    assert alices.head(url("token_check", token.id)).status_code == 405


@pytest.mark.parametrize(("name", "headers"), [*((name, {}) for name in ALL), ("unallocate", HTMX)])
def test_a_form_without_a_csrf_token_is_refused(
    alice: User,
    token: ApiToken,
    client_of: ClientOf,
    katapult: Organizations,
    name: str,
    headers: dict[str, str],
) -> None:
    client = client_of(alice, enforce_csrf_checks=True)
    form = {"label": "x", "secret": "y" * 20, "confirmation": "z"}
    answer = client.post(url(name, token.id), form, headers=headers)
    assert answer.status_code == 403
    assert "This form is no longer valid" in answer.text
    assert ("<html" in answer.text) is not bool(headers)
    assert (katapult.requests, unchanged(token)) == ([], True)


@every_write_to_a_token
def test_the_token_of_another_user_is_not_found(
    alices: Client, bobs_token: ApiToken, katapult: Organizations, name: str
) -> None:
    for method in ("post",) if name in {"token_check", "token_connect"} else ("get", "post"):
        answer = getattr(alices, method)(url(name, bobs_token.id))
        missing = getattr(alices, method)(url(name))
        assert (answer.status_code, missing.status_code) == (404, 404), method
        assert "Bob" not in answer.text
    assert (katapult.requests, unchanged(bobs_token)) == ([], True)


@every_write_to_a_token
def test_the_token_of_another_user_is_not_found_by_an_administrator(
    adam_the_operator: User, client_of: ClientOf, bobs_token: ApiToken, name: str
) -> None:
    assert client_of(adam_the_operator).post(url(name, bobs_token.id)).status_code == 404
    assert unchanged(bobs_token)


@every_write
def test_only_an_operator_may_write(
    charlie: User,
    audrey: User,
    adam: User,
    client_of: ClientOf,
    katapult: Organizations,
    name: str,
) -> None:
    for who in (charlie, audrey, adam):
        answer = client_of(who).post(url(name))
        assert answer.status_code == 403, who.username
        assert "Your role does not allow this" in answer.text
    assert katapult.requests == []


def test_htmx_is_answered_that_the_role_does_not_allow_it(
    charlie: User, client_of: ClientOf
) -> None:
    answer = client_of(charlie).post(url("token_add"), headers=HTMX)
    assert answer.status_code == 403
    assert "Your role does not allow this" in answer.text


@pytest.mark.parametrize("name", ["token_add", "token", "token_organization", "token_replace"])
def test_without_the_role_no_form_is_shown(
    charlie: User, audrey: User, client_of: ClientOf, name: str
) -> None:
    assert client_of(charlie).get(url(name)).status_code == 403
    assert client_of(audrey).get(url(name)).status_code == 403


def test_a_former_operator_keeps_tokens_and_may_not_use_them(
    alice: User, alices: Client, token: ApiToken, katapult: Organizations
) -> None:
    alice.groups.clear()
    assert alices.get(url("unallocate", token.id)).status_code == 403
    assert alices.post(url("unallocate", token.id)).status_code == 403
    assert (katapult.requests, AuditEntry.objects.count()) == ([], 0)


def test_a_token_without_an_organization_is_not_worked_with(
    alices: Client, unready: ApiToken, katapult: Organizations
) -> None:
    assert alices.get(url("unallocate", unready.id)).status_code == 404
    assert katapult.requests == []
