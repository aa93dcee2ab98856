"""The JSON of an entry."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from html import unescape
from typing import Any

from django.test import Client
from django.urls import reverse

from ipadmin.audit import document
from ipadmin.models import Outcome, User
from tests.conftest import ClientOf
from tests.services.conftest import attempt, confirmed, seen
from tests.tampering import column
from tests.views.conftest import MakeEntry

__all__ = ["attempt", "confirmed", "seen"]


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
    "duration_us": 84_200,
    "evidence": [READING],
    "competing_attempts": [],
}


FAILED = {"outcome": "failed", "error_code": "answer_lost", "basis": "evidence"}


def test_the_entry_as_json(alices: Client, entry: MakeEntry) -> None:
    made = entry(**EVERYTHING)
    url = reverse("audit_entry_json", args=[made.attempt_id])
    answer = alices.get(url)
    assert answer["Content-Type"] == "application/json"
    assert "Content-Disposition" not in answer
    told = json.loads(answer.text)
    assert told["event"]["id"] == str(made.attempt_id)
    assert told["ip_admin"]["evidence"] == [READING]
    page = alices.get(made.get_absolute_url()).text
    assert url in page
    shown = unescape(page.split('aria-label="Raw JSON">')[1].split("</pre>")[0])
    assert json.loads(shown) == told


def test_every_field_is_in_the_json_of_an_entry(alices: Client, entry: MakeEntry) -> None:
    """Whatever is kept is told, under whatever name."""
    made = entry(**EVERYTHING | {"duration_us": None, "vip": False})
    told = alices.get(reverse("audit_entry_json", args=[made.attempt_id])).text
    values = [getattr(made, name) for name in document.fields() if name not in {"id", "user_id"}]
    texts = {str(value) for value in values if isinstance(value, str | int | uuid.UUID) and value}
    assert [text for text in texts if text not in told] == []


def test_the_json_of_an_entry_is_for_readers_of_the_history_only(
    client: Client, charlie: User, client_of: ClientOf, entry: MakeEntry
) -> None:
    url = reverse("audit_entry_json", args=[entry().attempt_id])
    assert client_of(charlie).get(url).status_code == 403
    assert client.get(url).status_code == 302


def test_a_duration_that_no_document_can_hold(alices: Client, entry: MakeEntry) -> None:
    made = entry()
    column(made, "duration_us", 2**60)
    text = alices.get(made.get_absolute_url()).text
    assert "it holds a value that IP admin never writes" in text
    found = alices.get(reverse("audit_entry_json", args=[made.attempt_id]))
    assert (found.status_code, found.json()) == (422, {"error": "unreadable_entry"})
