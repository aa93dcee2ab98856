"""The page of one entry in words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import uuid4

import pytest

from ipadmin.audit.integrity.entry_seal import EntrySeal, Standing
from ipadmin.models import AuditEntry, AuditLink
from ipadmin.ui import entry_texts
from ipadmin.ui.components import Fact


def entry(**fields: Any) -> AuditEntry:
    return AuditEntry(attempt_id=uuid4(), **fields)


def fact(facts: Iterable[Fact], label: str) -> Fact:
    return next(each for each in facts if each.label == label)


@pytest.mark.parametrize(
    ("remaining", "permitted", "text"),
    [(981, 1000, "981 of 1000 per minute"), (981, None, "981"), (None, 1000, ""), (0, None, "0")],
)
def test_requests_left(remaining: int | None, permitted: int | None, text: str) -> None:
    made = entry(rate_limit_remaining=remaining, rate_limit_permitted=permitted)
    assert fact(entry_texts.response(made), "Requests left").text == text


@pytest.mark.parametrize(("status", "label"), [(403, "Katapult says"), (None, "Technical detail")])
def test_error_description_names_its_source(status: int | None, label: str) -> None:
    made = entry(http_status=status, error_description="Connection refused")
    assert fact(entry_texts.response(made), label).text == "Connection refused"


def test_outcome_with_its_basis() -> None:
    made = entry(outcome="succeeded", basis="evidence")
    text = "reading the address afterwards"
    assert fact(entry_texts.response(made), "Outcome based on").text == text


@pytest.mark.parametrize("standing", list(Standing))
def test_every_state_of_a_seal_has_a_text(standing: Standing) -> None:
    text = entry_texts.seal_badge(EntrySeal(standing, None, AuditLink(sequence=1204)))
    assert text.text
    assert "{}" not in text.text + text.note


def test_number_of_the_record_that_seals_an_entry() -> None:
    seal = EntrySeal(Standing.HOLDS, None, AuditLink(sequence=1204))
    assert entry_texts.seal_badge(seal).text == "Sealed as record 1,204"


@pytest.mark.parametrize(
    ("reading", "holder"),
    [
        ({"allocation_id": "vm_1", "allocation_name": "web-1"}, "web-1"),
        ({"allocation_id": "vm_1", "allocation_type": "VirtualMachine"}, "Virtual machine"),
        ({"error_code": "rate_limit_reached"}, "Could not be read"),
        ({}, "Unallocated"),
    ],
)
def test_holder_in_a_reading(reading: dict[str, Any], holder: str) -> None:
    ((_, text, _),) = entry_texts.readings(entry(evidence=[reading]))
    assert text == holder


def test_an_attempt_of_a_run_links_to_it() -> None:
    run_id = uuid4()
    [(_, request), *_] = entry_texts.cards(entry(run_id=run_id))
    assert fact(request, "Run").url == f"/runs/{run_id}/"
    [(_, request), *_] = entry_texts.cards(entry())
    assert "Run" not in [each.label for each in request]
