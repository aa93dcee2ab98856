"""Who held an address when, and what changed unseen, from unsaved entries."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipadmin.audit.search.observations import (
    GONE,
    NOBODY,
    Holding,
    Observation,
    Source,
    changes,
    holder_at,
    left,
    observations,
    seen,
)
from ipadmin.katapult.types import Allocation
from ipadmin.models import AuditEntry

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
READINGS = {"web-01": "allocated", "": "unallocated", "gone": "gone", "?": "unreadable"}


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def vm(name: str) -> dict[str, str]:
    kind = "VirtualMachine" if name else ""
    return {
        "allocation_id": name and f"vm_{name}",
        "allocation_type": kind,
        "allocation_name": name,
    }


def attempt(
    seconds: float = 0, outcome: str = "succeeded", machine: str = "web-01", **fields: Any
) -> AuditEntry:
    """Created so many seconds after noon, sent a second later unless refused, and finished after
    another; `read` are machines seen afterwards, five seconds apart."""
    is_sent = outcome != "refused"
    read = fields.pop("read", [])
    usual: dict[str, Any] = {
        "attempt_id": uuid.uuid4(),
        "outcome": outcome,
        "basis": "evidence" if read else "answer",
        "created_at": after(seconds),
        "sent_at": after(seconds + 1) if is_sent else None,
        "finished_at": after(seconds + 2 + 5 * len(read)),
        "address_id": "ip_1",
        "address": "192.0.2.7",
        "evidence": [reading(seconds + 5 * n, each) for n, each in enumerate(read, 1)],
        "user_name": "alice",
    }
    return AuditEntry(**usual | vm(machine) | fields)


def reading(seconds: float, machine: str) -> dict[str, Any]:
    found = READINGS.get(machine, "other")
    holder = machine if found in {"allocated", "other"} else ""
    return {"read_at": after(seconds).isoformat(), "found": found, "error_code": "", **vm(holder)}


def refused(seconds: float, code: str, found: str | None = None) -> AuditEntry:
    detail = {"confirmed": vm("web-01"), "found": vm(found) if found else None}
    return attempt(seconds, "refused", error_code=code, error_detail=detail)


def name(holding: Holding) -> str:
    """`web-01`, `nobody`, `gone`."""
    if holding.allocation:
        return holding.allocation.name or ""
    return "gone" if holding.is_gone else "nobody"


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
def test_what_an_entry_tells(entry: AuditEntry, expected: str) -> None:
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
def test_readings_of_another_shape_are_none(evidence: Any) -> None:
    assert told(attempt(outcome="unknown", evidence=evidence)) == "web-01"


@pytest.mark.parametrize("detail", [{}, {"found": "x"}, {"found": {"allocation_id": None}}])
def test_details_of_another_shape_name_nobody(detail: Any) -> None:
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
def test_how_an_attempt_left_the_address(entry: AuditEntry, expected: str | None) -> None:
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


def test_what_another_operator_confirmed_meanwhile_is_no_change() -> None:
    """bob's page was opened before alice's attempt and confirmed after it."""
    assert marks(attempt(), refused(60, "already_unallocated")) == []
    assert marks(attempt(), refused(60, "token_unreadable")) == []


def test_attempts_at_once_explain_each_other() -> None:
    slow = attempt(outcome="succeeded", finished_at=after(20))
    assert marks(slow, attempt(5, "failed", error_code="rate_limit_reached")) == []


def test_the_state_now() -> None:
    db = Holding(Allocation("vm_db-3", "VirtualMachine", "db-3"))
    now = [Observation(after(9000), each, Source.READ, "ip_1") for each in (db, NOBODY, GONE)]
    assert [marks(attempt(), now=each) for each in now] == [
        ["nobody > db-3"],
        [],
        ["nobody > gone"],
    ]


def test_a_new_name_is_no_change() -> None:
    renamed = attempt(5000, "failed", allocation_name="web-01.old")
    assert marks(attempt(outcome="failed"), renamed) == []


# Who had it


HISTORY = [
    attempt(0, "failed"),
    attempt(5000, "failed"),
    attempt(10_000),
    attempt(20_000, machine="db-3"),
]


@pytest.mark.parametrize(
    ("seconds", "kind", "before", "following"),
    [
        (-100, "until", None, "web-01"),
        (1, "within", None, "web-01"),
        (100, "same", "web-01", "web-01"),
        (7000, "same", "web-01", "web-01"),
        (15_000, "between", "nobody", "db-3"),
        (99_000, "since", "nobody", None),
    ],
)
def test_who_had_it(seconds: int, kind: str, before: str | None, following: str | None) -> None:
    answer = holder_at(HISTORY, after(seconds))
    around = [each and name(each.holding) for each in (answer.before, answer.after)]
    assert (answer.kind, *around) == (kind, before, following)


def test_who_had_it_of_no_entries() -> None:
    assert holder_at([], NOON).kind == "never"


def test_while_it_was_being_unallocated() -> None:
    slow = attempt(finished_at=after(30))
    answer = holder_at([slow], after(10))
    assert (answer.kind, answer.under_way) == ("under_way", slow)
    assert holder_at([slow], after(29.5)).kind == "within"


def test_an_attempt_without_an_outcome_is_under_way() -> None:
    entry = attempt(outcome="pending", finished_at=None)
    assert holder_at([entry], after(900)).kind == "under_way"


def test_a_second_in_which_it_changed() -> None:
    quick = attempt(sent_at=after(0.2), finished_at=after(0.4))
    answer = holder_at([quick], NOON)
    assert (answer.kind, [name(each.holding) for each in answer.within]) == (
        "changing",
        ["web-01", "nobody"],
    )


def test_what_was_confirmed_may_have_been_read_minutes_before() -> None:
    entries = [attempt(0, "failed"), refused(5000, "interrupted")]
    assert holder_at(entries, after(4000)).kind == "same"
    assert holder_at(entries, after(4900)).kind == "between"


@pytest.mark.parametrize(("seconds", "has_doubt"), [(5000, True), (-5000, False)])
def test_an_attempt_of_which_nobody_knows_is_named(seconds: int, has_doubt: bool) -> None:
    lost = attempt(outcome="unknown")
    assert (holder_at([lost], after(seconds)).doubt is lost) is has_doubt


def test_another_id_is_another_time() -> None:
    entries = [attempt(), attempt(5000, machine="", address_id="ip_2")]
    assert holder_at(entries, after(2500)).kind == "between"


# Whole seconds, so that no two looks are at the same moment.
attempts = st.builds(
    lambda at, outcome, machine, read: attempt(at * 100, outcome, machine, read=read),
    st.integers(0, 50),
    st.sampled_from(["succeeded", "failed", "unknown"]),
    st.sampled_from(["web-01", "db-3"]),
    st.lists(st.sampled_from(["web-01", "db-3", "", "gone", "?"]), max_size=3),
)
histories = st.lists(attempts, max_size=6, unique_by=lambda entry: entry.created_at)


@given(histories, st.integers(-50, 5200))
def test_an_answer_claims_only_what_was_seen(entries: list[AuditEntry], seconds: int) -> None:
    at = after(seconds)
    answer = holder_at(entries, at)
    looks = [each for entry in entries for each in observations(entry)]
    nearest = max((each.at for each in looks if each.at < at), default=None)
    assert (answer.before.at if answer.before else None) == nearest
    following = min((each.at for each in looks if each.at >= after(seconds + 1)), default=None)
    assert (answer.after.at if answer.after else None) == following
    assert all(at <= each.at < after(seconds + 1) for each in answer.within)
    if answer.kind == "same":
        assert answer.before is not None
        assert answer.after is not None
        assert name(answer.before.holding) == name(answer.after.holding)


@given(histories)
def test_a_change_lies_between_two_looks_that_differ(entries: list[AuditEntry]) -> None:
    all_seen = seen(entries)
    for change in changes(entries):
        at = all_seen.index(change.before)
        assert all_seen[at + 1] == change.after
        assert change.before.entry is not change.after.entry
        assert name(change.before.holding) != name(change.after.holding)
