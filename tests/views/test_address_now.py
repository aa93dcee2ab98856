"""The state of an address now, or as the history knows it."""

# ruff: noqa: PLR0917

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from ipadmin.katapult.types import Organization
from ipadmin.models import ApiToken, AuditEntry, User
from ipadmin.services import inventory
from tests.conftest import ClientOf
from tests.services.conftest import keep_token
from tests.services.katapult import ADDRESS, IP, refusal
from tests.views.conftest import HTMX, MakeEntry
from tests.views.katapult import Organizations, listed

NOW = reverse("address_now", args=[ADDRESS])


NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


@pytest.fixture
def taken(entry: MakeEntry) -> AuditEntry:
    """Unallocated at noon."""
    return at(entry, 0)


def at(entry: MakeEntry, hours: float, **fields: Any) -> AuditEntry:
    when = NOON + timedelta(hours=hours)
    times = {"created_at": when, "sent_at": when, "finished_at": when + timedelta(seconds=1)}
    return entry(**times | fields)


def test_the_current_state(
    alices: Client, token: ApiToken, katapult: Organizations, taken: AuditEntry
) -> None:
    text = alices.get(NOW).text
    assert "Allocated to web-01" in text
    assert "outside this site" in text
    assert f"with the token {token.label}" in text


def test_the_current_state_is_as_the_last_attempt_left_it(
    alices: Client, token: ApiToken, katapult: Organizations, taken: AuditEntry
) -> None:
    katapult.holder = None
    text = alices.get(NOW).text
    assert "Not allocated" in text
    assert "outside this site" not in text


def test_another_address_id_is_not_compared(
    alices: Client, token: ApiToken, katapult: Organizations, entry: MakeEntry
) -> None:
    at(entry, 0, address_id="ip_0000000000000099")
    text = alices.get(NOW).text
    assert "Allocated to web-01" in text
    assert "outside this site" not in text


def test_without_an_entry_the_token_whose_list_has_the_address(
    alices: Client, alice: User, token: ApiToken, katapult: Organizations
) -> None:
    other = keep_token(alice, "another0token0of0alices", Organization("org_2", "B", "b"), "Other")
    katapult.listed = [listed(7, id=IP, address=ADDRESS)]
    inventory.read(token)
    ApiToken.objects.filter(pk=other.pk).update(used_at=timezone.now())
    assert f"with the token {token.label}" in alices.get(NOW).text


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (refusal(404, "ip_address_not_found"), "Address not found"),
        (refusal(403, "scope_not_granted", {"scopes": ["ip_addresses:read"]}), "lacks a scope"),
        (httpx.ReadTimeout("slow"), "did not answer"),
    ],
)
def test_a_problem_is_explained_in_place(
    alices: Client,
    token: ApiToken,
    katapult: Organizations,
    taken: AuditEntry,
    problem: Any,
    words: str,
) -> None:
    katapult.reads.append(problem)
    answer = alices.get(NOW)
    assert answer.status_code == 200
    assert words in answer.text
    assert "When last seen" in answer.text


@pytest.mark.usefixtures("unopenable")
def test_a_token_that_cannot_be_opened(
    alices: Client, katapult: Organizations, taken: AuditEntry
) -> None:
    assert "Enter this token again" in alices.get(NOW).text
    assert katapult.requests == []


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_an_auditor_sees_the_timeline_without_the_current_state(
    audrey: User,
    client_of: ClientOf,
    token: ApiToken,
    katapult: Organizations,
    taken: AuditEntry,
    headers: dict[str, str],
) -> None:
    text = client_of(audrey).get(NOW, headers=headers).text
    assert "Only an operator with a token of Acme can check the address now." in text
    assert "It was <strong>unallocated</strong> when last seen" in text
    assert katapult.requests == []


@pytest.mark.usefixtures("bobs_token")
def test_the_timeline_uses_no_token_of_another_user(
    alices: Client, katapult: Organizations, taken: AuditEntry
) -> None:
    assert "Only an operator" in alices.get(NOW).text
    assert katapult.requests == []


def test_a_former_operator_cannot_read_the_current_state(
    alice: User, alices: Client, token: ApiToken, katapult: Organizations, taken: AuditEntry
) -> None:
    alice.groups.clear()
    alice.groups.create(name="readers").permissions.add(
        *type(alice).groups.rel.model.permissions.rel.model.objects.filter(  # type: ignore[attr-defined]
            codename="view_auditentry"
        )
    )
    assert "Only an operator" in alices.get(NOW).text
    assert katapult.requests == []
