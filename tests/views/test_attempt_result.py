"""The result of an attempt as it stands: an open one asks again, a finished one stops."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from ipadmin.models import AuditEntry, Outcome, User
from tests.conftest import ClientOf
from tests.page import Page
from tests.services.katapult import IP
from tests.views.conftest import HTMX, MakeEntry
from tests.views.katapult import HOSTILE

OPEN = [{"outcome": "pending"}, {"outcome": "unknown", "finished_at": None, "basis": ""}]
FINISHED = [
    {},
    {"outcome": "failed", "error_code": "no_allocation"},
    {"outcome": "refused", "error_code": "allocation_changed"},
    {"outcome": "unknown"},
]


def result(made: AuditEntry, query: str = "") -> str:
    return reverse("attempt_result", args=[made.attempt_id]) + query


@pytest.mark.parametrize("fields", OPEN)
@pytest.mark.parametrize(("query", "tag"), [("?table=1", "tr"), ("", "section")])
def test_the_result_of_an_open_attempt_polls(
    alices: Client, entry: MakeEntry, fields: dict[str, Any], query: str, tag: str
) -> None:
    made = entry(**fields)
    text = alices.get(result(made, query), headers=HTMX).text
    assert Page(text).one(f"{tag}#row-{IP}")
    assert f'hx-get="{result(made, query)}"' in text
    assert 'hx-trigger="every 2s"' in text


@pytest.mark.parametrize("fields", FINISHED)
@pytest.mark.parametrize(("query", "tag"), [("?table=1", "tr"), ("?table=x", "section")])
def test_the_result_of_a_finished_attempt_does_not_poll(
    alices: Client, entry: MakeEntry, fields: dict[str, Any], query: str, tag: str
) -> None:
    made = entry(**fields)
    text = alices.get(result(made, query), headers=HTMX).text
    assert Page(text).one(f"{tag}#row-{IP}")
    assert "hx-get" not in text
    assert made.get_absolute_url() in text


def test_the_result_changes_when_the_attempt_finishes(alices: Client, entry: MakeEntry) -> None:
    made = entry(outcome=Outcome.PENDING)
    assert "in progress" in alices.get(result(made), headers=HTMX).text
    AuditEntry.objects.update(outcome="succeeded", basis="answer", finished_at=made.created_at)
    text = alices.get(result(made), headers=HTMX).text
    assert "was unallocated" in text
    assert "data-announce" in text


def test_the_result_is_a_partial_and_never_cached(alices: Client, entry: MakeEntry) -> None:
    answer = alices.get(result(entry()), headers=HTMX)
    assert "<html" not in answer.text
    assert "no-store" in answer["Cache-Control"]


def test_the_result_is_escaped(alices: Client, entry: MakeEntry) -> None:
    made = entry(address_id=HOSTILE, address=HOSTILE, allocation_name=HOSTILE, reverse_dns=HOSTILE)
    text = alices.get(result(made, "?table=1")).text
    assert HOSTILE not in text
    assert "&lt;script&gt;" in text


def test_readers_of_the_history_may_see_a_result(
    audrey: User, charlie: User, client_of: ClientOf, entry: MakeEntry
) -> None:
    made = entry()
    assert client_of(audrey).get(result(made)).status_code == 200
    assert client_of(charlie).get(result(made), headers=HTMX).status_code == 403


def test_the_result_of_an_unknown_attempt_answers_404(alices: Client) -> None:
    url = reverse("attempt_result", args=[uuid.uuid4()])
    assert alices.get(url, headers=HTMX).status_code == 404


def test_polling_after_the_session_ended_leads_to_sign_in(client: Client, entry: MakeEntry) -> None:
    headers = HTMX | {"HX-Current-URL": "http://testserver/tokens/"}
    answer = client.get(result(entry()), headers=headers)
    assert answer["HX-Redirect"] == "/accounts/login/?next=/tokens/"


def test_the_result_refuses_post(alices: Client, entry: MakeEntry) -> None:
    assert alices.post(result(entry())).status_code == 405
