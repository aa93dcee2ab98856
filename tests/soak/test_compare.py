"""Lies made by hand, each of which the comparison has to find."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.soak.compare import compare
from tests.soak.records import Attempt, Change, Observation, Post, Read, Records, State

IP, TOKEN, VM, OTHER = "ip_1", "abcd1234", "vm_1", "vm_2"
START = datetime(2026, 1, 1, tzinfo=UTC)


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


# Confirmed at second 0, sent at 1, received at 1.1, acted at 1.2, finished at 2.
SUCCEEDED = Attempt(
    1, "a", IP, TOKEN, "succeeded", "answer", at(0), at(1), at(2), VM, katapult_request_id="p"
)
ACTED = Post("p", IP, TOKEN, at(1.1), at(1.2), "{}")
IDLE = replace(ACTED, acted_at=None, answer="no_allocation")
LOST = replace(ACTED, answer="")  # acted, and was not answered
FAILED = replace(SUCCEEDED, outcome="failed", error_code="no_allocation")
REFUSED = replace(SUCCEEDED, outcome="refused", basis="check", sent_at=None, katapult_request_id="")
INTERVAL = timedelta(seconds=0.4)


def reading(found: str, request_id: str = "r", read_at: float = 1.6) -> dict[str, str]:
    return {"found": found, "request_id": request_id, "read_at": at(read_at).isoformat()}


# Two readings, 1.3 to 1.4 and 1.7 to 1.8.
READS = [Read("r0", IP, at(1.3), at(1.4)), Read("r1", IP, at(1.7), at(1.8))]
SILENT = replace(
    SUCCEEDED,
    katapult_request_id="",
    basis="evidence",
    evidence=(reading("unallocated", "r1", 1.8),),
)
STILL_HELD = replace(
    SILENT,
    outcome="failed",
    evidence=(reading("allocated", "r0", 1.4), reading("allocated", "r1", 1.8)),
)
# Its request is carried out after the entry finished.
LATE = replace(LOST, acted_at=at(5))
# Another operator's attempt, from second 3 on.
LATER = replace(
    SUCCEEDED,
    id=2,
    attempt_id="b",
    token="other",
    sent_at=at(3),
    finished_at=at(6),
    katapult_request_id="q",
)
LATER_ACTED = replace(ACTED, request_id="q", token="other", received_at=at(3.1), acted_at=at(3.2))


def found_once(found: str) -> Attempt:
    """An attempt whose outcome agrees with any one reading."""
    return replace(
        SILENT, outcome="unknown", evidence=(reading(found), reading("unreadable", "", 1.9))
    )


def unknown(*found: str, **more: Any) -> Attempt:
    evidence = tuple(reading(each, f"r{number}") for number, each in enumerate(found))
    return replace(SILENT, outcome="unknown", evidence=evidence, **more)


def records(attempts: list[Attempt], posts: list[Post], **more: Any) -> Records:
    freed = any(post.acted_at for post in posts)
    given: dict[str, Any] = {
        "at_first": {IP: State(VM)},
        "at_last": {IP: State(None if freed else VM)},
    }
    given |= {"reads": READS, "interval": INTERVAL}
    return Records(posts=posts, attempts=attempts, **(given | more))


GOOD = {
    "an answered success": records([SUCCEEDED], [ACTED]),
    "an answered failure": records([FAILED], [IDLE]),
    "a success by evidence": records([SILENT], [LOST]),
    "a failure by evidence": records([STILL_HELD], [IDLE]),
    "a failure by evidence that happened after it finished": records([STILL_HELD], [LATE]),
    "a failure by evidence that happened after its last reading": records(
        [STILL_HELD], [replace(LATE, acted_at=at(1.9))]
    ),
    "a late act after a success of another attempt's own": records(
        [STILL_HELD, LATER], [LATE, LATER_ACTED], changes=[Change(IP, State(OTHER), at(4))]
    ),
    "marked as sent by a process that died": records([STILL_HELD], []),
    "a refusal": records([REFUSED], []),
    "unread to the end, and it happened": records([unknown("unreadable")], [ACTED]),
    "unread to the end, and it did not": records([unknown("unreadable")], [IDLE]),
}


@pytest.mark.parametrize("name", GOOD)
def test_correct_records_have_no_differences(name: str) -> None:
    assert compare(GOOD[name]) == []


WRONG = {
    "a success that never happened": (records([SUCCEEDED], [IDLE]), "did not happen"),
    "a success of no call": (records([SILENT], []), "did not happen"),
    "a success that a late act of another attempt made": (
        records(
            [
                STILL_HELD,
                replace(LATER, basis="evidence", evidence=(reading("unallocated", "r2", 5.6),)),
            ],
            [LATE, replace(LATER_ACTED, acted_at=None, answer="")],
            reads=[*READS, Read("r2", IP, at(5.5), at(5.6))],
        ),
        "b (no. 2, succeeded by evidence): did not happen",
    ),
    "a success by an answer that is not {}": (records([SUCCEEDED], [LOST]), "was answered ?"),
    "a success by evidence that no reading shows": (
        records([replace(SILENT, evidence=STILL_HELD.evidence)], [LATE]),
        "no reading that found it unallocated",
    ),
    "a success with a competing attempt": (
        records([replace(SILENT, competing_attempts=("a",))], [LOST]),
        "names a competing attempt",
    ),
    "a failure that happened": (records([FAILED], [ACTED]), "did happen"),
    "a failure by evidence that happened": (
        records([STILL_HELD], [LOST]),
        "did happen",
    ),
    "a failure by evidence that happened before its last reading": (
        records([STILL_HELD], [replace(LOST, acted_at=at(1.69))]),
        "did happen",
    ),
    "a failure by evidence that no reading shows": (
        records([replace(STILL_HELD, evidence=())], [LATE]),
        "did happen",
    ),
    "a failure by an answer that happened late": (records([FAILED], [LATE]), "did happen"),
    "a failure by another answer": (
        records([FAILED], [replace(IDLE, answer="request_timeout")]),
        "was answered request_timeout",
    ),
    "a failure by a single reading": (
        records([replace(STILL_HELD, evidence=STILL_HELD.evidence[:1])], [IDLE]),
        "no two readings far enough apart",
    ),
    "a failure by two readings too close": (
        records([STILL_HELD], [IDLE], interval=INTERVAL * 1.1),
        "no two readings far enough apart",
    ),
    "a failure by readings that disagree": (
        records(
            [replace(STILL_HELD, evidence=(*STILL_HELD.evidence, reading("gone", "r2")))],
            [IDLE],
        ),
        "readings that disagree",
    ),
    "an answer without a POST": (records([FAILED], []), "an answer without a POST"),
    "a refusal that was sent": (records([REFUSED], [IDLE]), "has 0 entries"),
    "a refusal that says it was sent": (records([replace(REFUSED, sent_at=at(1))], []), "was sent"),
    "a refusal with the POST's id": (
        records([replace(REFUSED, katapult_request_id="p")], [IDLE]),
        "does not fit",
    ),
    "a success that was not sent": (
        records([replace(SUCCEEDED, sent_at=None)], [ACTED]),
        "was not sent",
    ),
    "a POST without an entry": (records([], [ACTED]), "has 0 entries"),
    "a POST with another's token": (
        records([SILENT], [replace(ACTED, token="other")]),
        "has 0 entries",
    ),
    "a POST before it was marked as sent": (
        records([SILENT], [replace(ACTED, received_at=at(0.9))]),
        "has 0 entries",
    ),
    "a POST after the end": (
        records([STILL_HELD], [replace(IDLE, received_at=at(3))]),
        "has 0 entries",
    ),
    "one POST, two entries": (
        records([SILENT, replace(SILENT, id=2, attempt_id="b")], [ACTED]),
        "has 2 entries",
    ),
    "an attempt sent twice": (
        records([SILENT], [ACTED, replace(IDLE, request_id="q")]),
        "was sent 2 times",
    ),
    "a success said too early": (
        records([SILENT], [replace(ACTED, acted_at=at(2.5))]),
        "before it happened",
    ),
    "an open entry": (records([replace(SUCCEEDED, finished_at=None)], [ACTED]), "still open"),
    "a pending end": (
        records([replace(SUCCEEDED, outcome="pending")], [ACTED]),
        "without a final outcome",
    ),
    "an unknown without a reason": (
        records([unknown()], [ACTED]),
        "does not say why",
    ),
    "an attempt with two entries": (
        records([SUCCEEDED, replace(REFUSED, id=2)], [ACTED]),
        "several entries",
    ),
    "a gap": (
        records([replace(SUCCEEDED, id=2)], [ACTED], is_gapless=True),
        "have gaps",
    ),
    "a missing entry": (records([], [], attempt_ids={"a"}), "is missing"),
    "an outcome that changed": (
        records([SUCCEEDED], [ACTED], observations=[Observation("a", "failed")]),
        "was failed and is succeeded",
    ),
    "an unknown change": (
        records([], [], at_last={IP: State(None)}),
        "holder=None, reverse_dns='') instead of",
    ),
    "a competing attempt on another address": (
        records([replace(SUCCEEDED, competing_attempts=("z",))], [ACTED]),
        "no competing attempt",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_record_is_a_difference(name: str) -> None:
    wrong, difference = WRONG[name]
    found = compare(wrong)
    assert any(difference in each for each in found), found


@pytest.mark.parametrize(
    ("found", "is_true", "difference"),
    [
        ("unallocated", True, ""),
        ("allocated", True, "but was {State"),
        ("other", True, "but was {State"),
        ("gone", True, "but was {State"),
        ("unallocated", False, "a fault was read"),
    ],
)
def test_a_reading_that_the_world_contradicts_is_a_difference(
    found: str, is_true: bool, difference: str
) -> None:
    attempt = found_once(found)
    read = Read("r", IP, at(1.5), at(1.6), is_true)
    differences = compare(records([attempt], [ACTED], reads=[read]))
    assert [difference in each for each in differences] == [True] * bool(difference)


def test_a_reading_during_a_change_may_show_either_state() -> None:
    read = Read("r", IP, at(1.15), at(1.3))
    for found in ("allocated", "unallocated"):
        attempt = found_once(found)
        assert compare(records([attempt], [ACTED], reads=[read])) == []


def test_a_reading_that_was_not_made_is_a_difference() -> None:
    attempt = found_once("unallocated")
    assert "was not made" in compare(records([attempt], [ACTED]))[0]


def test_a_reading_may_show_a_change_by_the_soak() -> None:
    given = Change(IP, State(OTHER), at(1.3))
    attempt = found_once("other")
    read = Read("r", IP, at(1.5), at(1.6))
    made = records([attempt], [ACTED], reads=[read], changes=[given], at_last={IP: State(OTHER)})
    assert compare(made) == []


def test_a_reading_before_the_call_or_in_two_places_is_a_difference() -> None:
    both = (reading("unallocated"), reading("unallocated"), reading("unreadable", ""))
    early = Read("r", IP, at(0.9), at(1.4))
    attempt = replace(found_once("unallocated"), evidence=both)
    differences = compare(records([attempt], [LOST], reads=[early]))
    assert ["before it was sent" in each for each in differences] == [True, True, False]
    assert differences[-1] == "reading r is in 2 entries"
