"""Observations in unsaved entries, and the changes between them."""

from __future__ import annotations

from typing import Any

import pytest

from ipadmin.audit.search.observations import (
    GONE,
    NOBODY,
    Holding,
    Observation,
    Source,
    changes,
    left,
    observations,
)
from ipadmin.katapult.types import Allocation
from ipadmin.models import AuditEntry
from tests.audit.search.observed import NOON, after, attempt, name, reading, refused


def told(entry: AuditEntry) -> str:
    return " ".join(name(each.holding) for each in observations(entry))


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (attempt(), "web-01 nobody"),
        (attempt(outcome="failed", error_code="permission_denied"), "web-01"),
        (attempt(outcome="failed", error_code="no_allocation"), "web-01 nobody"),
        (attempt(outcome="failed", error_code="ip_address_not_found"), "web-01 gone"),
        (attempt(outcome="failed", read=["web-01", "web-01"]), "web-01 web-01 web-01"),
        (attempt(read=["?", ""]), "web-01 nobody"),
        (attempt(outcome="unknown", read=["db-3", "gone"]), "web-01 db-3 gone"),
        (attempt(outcome="unknown"), "web-01"),
        (refused(0, "interrupted"), "web-01"),
        (refused(0, "already_unallocated"), "web-01 nobody"),
        (refused(0, "allocation_changed", "db-3"), "web-01 db-3"),
        # The id is another address's now.
        (refused(0, "allocation_changed", "web-01"), "web-01 gone"),
        (refused(0, "allocation_changed"), "web-01 gone"),
        (attempt(outcome="pending", finished_at=None), "web-01"),
    ],
)
def test_the_observations_in_an_entry(entry: AuditEntry, expected: str) -> None:
    assert told(entry) == expected


@pytest.mark.parametrize(
    "evidence",
    [
        [{"read_at": "then", "found": "unallocated"}],
        [{"read_at": NOON.isoformat(), "found": "new"}],
        [{}],
        ["x", None, 3],
        {"found": "other"},
    ],
)
def test_unreadable_readings_are_no_observations(evidence: Any) -> None:
    assert told(attempt(outcome="unknown", evidence=evidence)) == "web-01"


@pytest.mark.parametrize("detail", [{}, {"found": "x"}, {"found": {"allocation_id": None}}])
def test_an_error_detail_without_an_allocation_means_gone(detail: Any) -> None:
    entry = attempt(outcome="refused", error_code="allocation_changed", error_detail=detail)
    assert told(entry) == "web-01 gone"


def test_a_reading_without_a_zone_is_utc() -> None:
    naive = reading(5, "") | {"read_at": "2026-01-02T12:00:05"}
    [_, read] = observations(attempt(evidence=[naive], basis="evidence"))
    assert read.at == after(5)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (attempt(), "nobody"),
        (attempt(outcome="failed"), "web-01"),
        (refused(0, "allocation_changed", "db-3"), "db-3"),
        (attempt(outcome="unknown", read=["db-3"]), "db-3"),
        (attempt(outcome="unknown"), None),
        (attempt(outcome="unknown", read=["?"]), None),
        (attempt(outcome="pending", finished_at=None), None),
        (attempt(outcome="pending", sent_at=None, finished_at=None), None),
    ],
)
def test_the_holder_after_an_attempt(entry: AuditEntry, expected: str | None) -> None:
    last = left(entry)
    assert (name(last.holding) if last else None) == expected


# Changes unseen


def marks(*entries: AuditEntry, now: Observation | None = None) -> list[str]:
    return [
        f"{name(each.before.holding)} > {name(each.after.holding)}{' ?' if each.suspect else ''}"
        for each in changes(entries, now)
    ]


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([], []),
        ([attempt()], []),
        # Taken from one, and found on another the next time.
        ([attempt(), attempt(5000, machine="db-3")], ["nobody > db-3"]),
        ([attempt(), attempt(5000)], ["nobody > web-01"]),
        ([attempt(outcome="failed"), attempt(5000)], []),
        ([attempt(outcome="failed"), attempt(5000, machine="db-3")], ["web-01 > db-3"]),
        ([attempt(outcome="failed"), attempt(5000, machine="")], ["web-01 > nobody"]),
        # What changed within an attempt stands in its entry.
        ([refused(0, "allocation_changed", "db-3"), attempt(5000, machine="db-3")], []),
        ([attempt(), refused(5000, "already_unallocated")], ["nobody > web-01"]),
        ([refused(0, "ip_address_not_found"), attempt(5000)], ["gone > web-01"]),
        ([attempt(outcome="unknown", read=["db-3"]), attempt(5000, machine="db-3")], []),
        # Nobody knows whether the first did it.
        ([attempt(outcome="unknown"), attempt(5000, machine="")], ["web-01 > nobody ?"]),
        ([attempt(outcome="unknown"), attempt(5000, machine="db-3")], ["web-01 > db-3"]),
        ([attempt(outcome="unknown"), attempt(5000)], []),
        # Nor whether the request of one that was closed as failed was carried out late.
        (
            [attempt(outcome="failed", read=["web-01"] * 2), attempt(95, machine="")],
            ["web-01 > nobody ?"],
        ),
    ],
)
def test_changes_between_entries(entries: list[AuditEntry], expected: list[str]) -> None:
    assert marks(*entries) == expected


def test_a_confirmed_allocation_that_is_outdated_is_no_change() -> None:
    """bob's page was opened before alice's attempt and confirmed after it."""
    assert marks(attempt(), refused(60, "already_unallocated")) == []
    assert marks(attempt(), refused(60, "token_unreadable")) == []


def test_a_competing_attempt_explains_a_change() -> None:
    slow = attempt(outcome="succeeded", finished_at=after(20))
    assert marks(slow, attempt(5, "failed", error_code="rate_limit_reached")) == []


def test_changes_up_to_a_reading_made_now() -> None:
    db = Holding(Allocation("vm_db-3", "VirtualMachine", "db-3"))
    now = [Observation(after(9000), each, Source.READ, "ip_1") for each in (db, NOBODY, GONE)]
    assert [marks(attempt(), now=each) for each in now] == [
        ["nobody > db-3"],
        [],
        ["nobody > gone"],
    ]


def test_a_renamed_machine_is_no_change_of_holder() -> None:
    renamed = attempt(5000, "failed", allocation_name="web-01.old")
    assert marks(attempt(outcome="failed"), renamed) == []
