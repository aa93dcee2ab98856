"""One attempt with everything that is kept of it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from ipadmin.models import AuditEntry, Outcome, User
from tests.conftest import ClientOf
from tests.services.katapult import ADDRESS, IP, VM
from tests.views.conftest import HTMX, MakeEntry
from tests.views.katapult import HOSTILE

WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
READING = {
    "read_at": WHEN.isoformat(),
    "found": "other",
    "status": 200,
    "request_id": "reading-1",
    "error_code": "",
    "allocation_id": "vm_0000000000000009",
    "allocation_type": "VirtualMachine",
    "allocation_name": "db-09",
    "reverse_dns": "db-09.example.net",
}
EVERYTHING: dict[str, Any] = {
    "outcome": Outcome.FAILED,
    "sent_at": WHEN,
    "finished_at": WHEN,
    "created_at": WHEN,
    "source_ip": "198.51.100.9",
    "request_id": "our-request-1",
    "reason": "moved to a bigger machine",
    "organization_sub_domain": "acme-sub",
    "address_label": "shop",
    "vip": True,
    "reverse_dns": "web-01.example.net",
    "http_status": 403,
    "error_code": "permission_denied",
    "error_description": "You may not",
    "error_detail": {"details": "ask the owner"},
    "katapult_request_id": "its-request-1",
    "rate_limit_permitted": 1000,
    "rate_limit_remaining": 981,
    "duration": 0.0842,
    "evidence": [READING],
    "rivals": [],
}


def test_everything_that_is_kept(alices: Client, entry: MakeEntry) -> None:
    made = entry(**EVERYTHING)
    answer = alices.get(made.get_absolute_url())
    assert answer.status_code == 200
    for said in (
        *("alice", "198.51.100.9", "moved to a bigger machine", "Live", "0123456789abcdef"),
        *("Acme", "acme-sub", "org_1", "SANDBOX", "http://127.0.0.1:9", ADDRESS, IP, VM),
        *("web-01", "web-01.example.net", "shop", "Yes", "403", "permission_denied"),
        *("You may not", "ask the owner", "its-request-1", "981 of 1000 a minute", "84 ms"),
        *("our-request-1", "2026-01-02 03:04:05", "Failed", str(made.attempt_id)),
        *("reading-1", "vm_0000000000000009", "db-09", "db-09.example.net"),
    ):
        assert said in answer.text, said


def test_a_field_that_is_new_is_shown_too() -> None:
    """Whoever adds one to the entry adds it to the page and to the test above."""
    shown_by_another_name = {"id", "action", "basis", "token_id"}
    usual = {"attempt_id", "user_id", "user_name", "token_label", "token_fingerprint"}
    usual |= {"organization_id", "organization_name", "environment", "api_url", "address_id"}
    usual |= {"address", "allocation_id", "allocation_type", "allocation_name"}
    fields = {field.name for field in AuditEntry._meta.concrete_fields}
    assert fields == EVERYTHING.keys() | usual | shown_by_another_name


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, [f"{ADDRESS} is unallocated", "Katapult confirmed it."]),
        (
            {"basis": "evidence", "error_code": "answer_lost"},
            ["is unallocated", "The address was read afterwards"],
        ),
        (
            {"outcome": "failed", "error_code": "permission_denied"},
            ["Katapult denied permission", "Nothing was changed."],
        ),
        (
            {"outcome": "failed", "error_code": "answer_lost", "basis": "evidence"},
            ["the unallocation did not happen", "Nothing was changed."],
        ),
        (
            {"outcome": "refused", "error_code": "already_unallocated"},
            ["It was unallocated meanwhile", "It was not called"],
        ),
        ({"outcome": "refused", "error_code": "interrupted"}, ["interrupted before the call"]),
        ({"outcome": "pending"}, ["under way", "not known yet", "Look again"]),
        (
            {"outcome": "unknown", "finished_at": None, "basis": ""},
            ["not known yet", "Do not try again yet", "Look again"],
        ),
        (
            {"outcome": "unknown", "evidence": [READING]},
            ["it can&#x27;t be told", "allocated to something else now"],
        ),
        (
            {"outcome": "unknown", "rivals": ["11111111-2222-3333-4444-555555555555"]},
            ["another attempt could have done it", "11111111-2222-3333-4444-555555555555"],
        ),
    ],
)
def test_what_came_of_it(
    alices: Client, entry: MakeEntry, fields: dict[str, Any], words: list[str]
) -> None:
    text = alices.get(entry(**fields).get_absolute_url()).text
    assert [word for word in words if word not in text] == []


@pytest.mark.parametrize(("fields", "is_open"), [({"outcome": "pending"}, True), ({}, False)])
def test_only_an_open_one_is_looked_at_again(
    alices: Client, entry: MakeEntry, fields: dict[str, Any], is_open: bool
) -> None:
    text = alices.get(entry(**fields).get_absolute_url()).text
    assert ("Look again" in text, "data-open-entry" in text) == (is_open, is_open)


def test_everything_is_escaped(alices: Client, entry: MakeEntry) -> None:
    texts = {
        # As much of it as fits: PostgreSQL keeps no more.
        field.name: HOSTILE[: field.max_length]
        for field in AuditEntry._meta.concrete_fields
        if field.get_internal_type() == "CharField" and not field.choices
    }
    hostile: dict[str, Any] = {"outcome": "failed", "error_detail": {HOSTILE: [HOSTILE]}}
    hostile |= {"evidence": [READING | dict.fromkeys(READING, HOSTILE)], "rivals": [HOSTILE]}
    text = alices.get(entry(**texts | hostile).get_absolute_url()).text
    assert HOSTILE[:10] not in text
    assert text.count("&lt;script&gt;") >= 20


def test_what_an_older_version_kept(alices: Client, entry: MakeEntry) -> None:
    """Of evidence and detail any shape may be found."""
    made = entry(
        outcome="unknown", evidence=[{"read_at": "then", "found": "new", "error_code": ""}]
    )
    assert alices.get(made.get_absolute_url()).status_code == 200


@pytest.mark.parametrize("who", ["alice", "bob", "audrey"])
def test_every_reader_of_the_history(
    request: pytest.FixtureRequest, client_of: ClientOf, entry: MakeEntry, who: str
) -> None:
    client = client_of(request.getfixturevalue(who))
    assert client.get(entry().get_absolute_url()).status_code == 200


def test_nobody_else(charlie: User, adam: User, client_of: ClientOf, entry: MakeEntry) -> None:
    url = entry().get_absolute_url()
    assert client_of(charlie).get(url).status_code == 403
    assert client_of(adam).get(url).status_code == 403


def test_one_there_is_not(alices: Client) -> None:
    assert alices.get(reverse("audit_entry", args=[uuid.uuid4()])).status_code == 404
    assert alices.get("/audit/1/").status_code == 404


def test_anonymous(client: Client, entry: MakeEntry) -> None:
    url = entry().get_absolute_url()
    assert client.get(url)["Location"] == f"/accounts/login/?next={url}"
    assert "HX-Redirect" in client.get(url, headers=HTMX)
