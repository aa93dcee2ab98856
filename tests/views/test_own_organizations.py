"""Where operators see the history of their own organizations only, nothing tells of the others."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from pytest_django import Settings

from ipadmin.katapult.types import Organization
from ipadmin.models import ApiToken, AuditEntry, Outcome, User
from tests.conftest import ClientOf
from tests.history import keep
from tests.services.conftest import keep_token
from tests.services.katapult import IP
from tests.views.audit_page import ALL, URL, ids, link, shown
from tests.views.conftest import HTMX
from tests.views.katapult import Organizations

TOKEN = "7d1f5a3e-2b4c-4d6e-9f80-a1b2c3d4e5f6"
# Nothing of this may be told.
SECRETS = ("Brook", "org_2", "zeppelin", "brook-db", "198.51.100.9", "Brook's", "rack_is_full")


@pytest.fixture(autouse=True)
def _own_only(settings: Settings) -> None:
    settings.HISTORY_OF_OWN_ORGANIZATIONS = True


@pytest.fixture(autouse=True)
def _alices_token(alice: User) -> ApiToken:
    return keep_token(alice, "planted0token0planted0", Organization("org_1", "Acme", "acme"))


@pytest.fixture
def own() -> AuditEntry:
    return keep(allocation_name="acme-web")


@pytest.fixture
def others() -> AuditEntry:
    return keep(
        organization_id="org_2",
        organization_name="Brook",
        user_name="zeppelin",
        address="198.51.100.9",
        address_id="ip_Brook",
        allocation_id="vm_Brook",
        allocation_name="brook-db",
        token_id=TOKEN,
        token_label="Brook's",
        outcome=Outcome.FAILED,
        error_code="rack_is_full",
        duration_us=9_750_000,
        request_id="5bb8b37066680e3a355962e6d5bd0c5f",
    )


def told(text: str, query: str = "") -> list[str]:
    """What the page tells beside what was asked."""
    return [secret for secret in SECRETS if secret in text and secret not in query]


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["plain", "htmx"])
def test_the_history_shows_ones_own_organizations(
    alices: Client, own: AuditEntry, others: AuditEntry, headers: dict[str, str]
) -> None:
    answer = alices.get(ALL, headers=headers)
    assert shown(answer) == ids(own)
    assert "1 of 1 attempt" in answer.text
    assert told(answer.text) == []


ASKED: list[dict[str, Any]] = [
    {"person": "zeppelin"},
    {"organization": "org_2"},
    {"organization": ["org_1", "org_2"]},
    {"token": TOKEN},
    {"error": "rack_is_full"},
    {"outcome": "failed"},
    {"environment": "sandbox"},
    {"person": "zeppelin", "environment": "sandbox"},
    {"q": "198.51.100.9"},
    {"q": "198."},
    {"q": "198.51.100.0/24"},
    {"q": "ip_Brook"},
    {"q": "vm_Brook"},
    {"q": "brook"},
    {"q": "zep"},
    {"q": "rack_is_full"},
    {"q": "org_2"},
    {"q": TOKEN},
    {"q": "5bb8b37066680e3a355962e6d5bd0c5f"},
]


@pytest.mark.parametrize("query", ASKED)
def test_no_search_finds_another_organizations_attempts(
    alices: Client, own: AuditEntry, others: AuditEntry, query: dict[str, Any]
) -> None:
    asked = urlencode({"when": "all"} | query, doseq=True)
    answer = alices.get(f"{URL}?{asked}")
    assert not set(shown(answer)) & set(ids(others))
    assert told(answer.text, str(query)) == []
    assert not re.search(r"of (more than )?2 attempts", answer.text)


def test_an_attempt_of_another_organization_is_not_found_by_its_id(
    alices: Client, others: AuditEntry
) -> None:
    assert shown(alices.get(f"{URL}?q={others.attempt_id}")) == []
    for path in ("/", ".json", "/result/"):
        answer = alices.get(f"/audit/{others.attempt_id}{path}")
        assert answer.status_code == 404
        assert told(answer.text) == []


@pytest.mark.parametrize("path", ["timeline/", "attempts/"])
def test_the_page_of_an_address_has_attempts_of_ones_own_organizations_only(
    alices: Client, own: AuditEntry, others: AuditEntry, path: str
) -> None:
    mine = keep(address="198.51.100.9")
    text = alices.get(f"/addresses/198.51.100.9/{path}?at=2026-11-23").text
    assert str(mine.attempt_id) in text
    assert str(others.attempt_id) not in text
    assert [each for each in told(text) if each != "198.51.100.9"] == []


def test_an_entry_has_no_link_to_another_organizations_attempt(
    alices: Client, others: AuditEntry
) -> None:
    mine = keep(address="198.51.100.9")
    assert str(others.attempt_id) not in alices.get(mine.get_absolute_url()).text


def test_the_confirmation_lists_attempts_of_ones_own_organizations(
    alices: Client, katapult: Organizations
) -> None:
    mine = keep(address_id=IP)
    other = keep(address_id=IP, organization_id="org_2", user_name="zeppelin")
    token = ApiToken.objects.get()
    text = alices.get(f"/tokens/{token.pk}/addresses/{IP}/unallocate/").text
    assert str(mine.attempt_id) in text
    assert str(other.attempt_id) not in text
    assert "zeppelin" not in text


def test_pages_pass_over_attempts_of_other_organizations(
    alices: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ipadmin.audit.search.pages.PER_PAGE", 2)
    made = []
    for _ in range(3):
        made.append(keep())
        keep(organization_id="org_2")
    first = alices.get(ALL)
    second = alices.get(URL + link(first, "next"))
    assert shown(first) + shown(second) == ids(*made[::-1])
    assert "3 attempts" in first.text


def test_an_operator_without_a_token_sees_no_attempt(
    bob: User, client_of: ClientOf, own: AuditEntry, others: AuditEntry
) -> None:
    for query in ("", "?environment=sandbox", "?q=192.0.", "?person=alice&environment=sandbox"):
        text = client_of(bob).get(URL + query).text
        assert "No attempts yet" in text
        assert told(text) == []


def test_a_token_without_an_organization_shows_no_attempt(
    bob: User, client_of: ClientOf, others: AuditEntry
) -> None:
    keep_token(bob, "another0token0another0", Organization("", "", ""))
    keep(organization_id="")
    assert shown(client_of(bob).get(ALL)) == []


def test_a_sub_domain_is_an_organization_that_has_no_id(bob: User, client_of: ClientOf) -> None:
    token = keep_token(bob, "another0token0another0", Organization("", "", "Brook"))
    made = keep(organization_id="", organization_sub_domain="brook")
    keep(organization_id="", organization_sub_domain="acme")
    assert shown(client_of(bob).get(ALL)) == []
    ApiToken.objects.filter(pk=token.pk).update(can_list=True)
    assert shown(client_of(bob).get(ALL)) == ids(made)


@pytest.mark.parametrize("can_list", [None, False, True])
def test_a_typed_sub_domain_opens_no_other_organization(
    bob: User, client_of: ClientOf, others: AuditEntry, can_list: bool | None
) -> None:
    token = keep_token(bob, "another0token0another0", Organization("", "", "ORG_2"))
    ApiToken.objects.filter(pk=token.pk).update(can_list=can_list)
    assert shown(client_of(bob).get(ALL)) == []


def test_auditors_see_attempts_of_all_organizations(
    audrey: User, client_of: ClientOf, own: AuditEntry, others: AuditEntry
) -> None:
    assert shown(client_of(audrey).get(ALL)) == ids(others, own)


def test_without_the_setting_operators_see_attempts_of_all_organizations(
    alices: Client, settings: Settings, own: AuditEntry, others: AuditEntry
) -> None:
    settings.HISTORY_OF_OWN_ORGANIZATIONS = False
    assert shown(alices.get(ALL)) == ids(others, own)
