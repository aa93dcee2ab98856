"""The audit history as a page: what it shows, in which shape and to whom."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from ipadmin.models import AuditEntry, Outcome, User
from tests.conftest import ClientOf
from tests.services.katapult import ADDRESS
from tests.views.audit_page import ALL, URL, ids, shown
from tests.views.conftest import HTMX, MakeEntry

# What is shown


def test_the_history_without_entries(alices: Client) -> None:
    answer = alices.get(URL)
    assert answer.status_code == 200
    assert "No attempts yet" in answer.text
    main = answer.text.split("<main")[1].split("</main>")[0]
    assert "<form method" not in main


def test_the_history_is_newest_first(alices: Client, entry: MakeEntry) -> None:
    old, new = entry(), entry(outcome=Outcome.PENDING)
    assert shown(alices.get(URL)) == ids(new, old)


def test_a_row_of_the_history(alices: Client, entry: MakeEntry) -> None:
    entry(reason="moved", user_name="bob", created_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    text = alices.get(ALL).text
    for said in (ADDRESS, "web-01", "bob", "Acme", "moved", "2026-01-02 03:04:05", "Succeeded"):
        assert said in text


def test_entries_of_another_api_are_marked(alices: Client, entry: MakeEntry) -> None:
    entry(environment="live")
    assert 'data-environment="live">LIVE' in alices.get(URL).text


@pytest.mark.parametrize("who", ["alice", "audrey"])
def test_the_history_has_the_attempts_of_all_users(
    request: pytest.FixtureRequest, client_of: ClientOf, entry: MakeEntry, who: str
) -> None:
    made = entry(user_name="somebody")
    assert shown(client_of(request.getfixturevalue(who)).get(URL)) == ids(made)


def test_an_auditor_gets_no_link_to_an_address(
    audrey: User, client_of: ClientOf, entry: MakeEntry
) -> None:
    text = client_of(audrey).get(URL).text
    assert "/addresses/" not in text
    assert "/tokens/" not in text


# Part and whole


def test_htmx_gets_the_history_alone(alices: Client, entry: MakeEntry) -> None:
    made = entry()
    answer = alices.get(URL, headers=HTMX)
    assert "<html" not in answer.text
    assert shown(answer) == ids(made)
    assert "HX-Request" in answer["Vary"]
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize("header", ["HX-Boosted", "HX-History-Restore-Request"])
def test_history_restores_get_the_full_page_of_the_history(
    alices: Client, entry: MakeEntry, header: str
) -> None:
    made = entry()
    answer = alices.get(URL, headers=HTMX | {header: "true"})
    assert "<html" in answer.text
    assert shown(answer) == ids(made)


# Whose


def test_only_readers_of_the_history(charlie: User, adam: User, client_of: ClientOf) -> None:
    assert client_of(charlie).get(URL).status_code == 403
    assert client_of(adam).get(URL).status_code == 403


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_the_history_refuses_every_writing_method(
    alices: Client, entry: MakeEntry, method: str
) -> None:
    made = entry(created_at=timezone.now() - timedelta(days=1))
    assert getattr(alices, method)(URL).status_code == 405
    assert getattr(alices, method)(made.get_absolute_url()).status_code == 405
    assert AuditEntry.objects.count() == 1
