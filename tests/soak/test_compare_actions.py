"""The comparison of attempts that undo another one, and the reasons for unknown outcomes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.soak.compare import compare, why_unknown
from tests.soak.records import UNALLOCATED, Attempt, Post, State
from tests.soak.test_compare import (
    ACTED,
    IP,
    OTHER,
    READS,
    SUCCEEDED,
    VM,
    reading,
    records,
    unknown,
)

HOST, NAME = "vm-1.example.net", "mail.example.net"
HELD = State(VM, HOST)
# The attempts of `test_compare.py`, on an address that was not allocated, or had another host name.
ALLOCATED = replace(SUCCEEDED, action="allocate")
ALLOCATE = replace(ACTED, action="allocate", state=HELD)
RENAMED = replace(SUCCEEDED, action="set_reverse_dns", reverse_dns=NAME)
RENAME = replace(ACTED, action="set_reverse_dns", state=State(VM, NAME))


def by_evidence(attempt: Attempt, *found: str) -> Attempt:
    evidence = tuple(
        reading(each, f"r{number}", 1.4 + 0.4 * number) for number, each in enumerate(found)
    )
    return replace(attempt, katapult_request_id="", basis="evidence", evidence=evidence)


# An attempt, its POST, and the state of the address before and after.
Case = tuple[Attempt, Post, State, State]


def differences(case: Case) -> list[str]:
    attempt, post, first, last = case
    made = records([attempt], [post], at_first={IP: first}, at_last={IP: last}, reads=READS)
    return compare(made)


def silent(post: Post) -> Post:
    return replace(post, answer="")


def idle(post: Post) -> Post:
    return replace(post, acted_at=None, answer="")


NOT_SET = replace(by_evidence(RENAMED, "not_set", "not_set"), outcome="failed")
NOT_ALLOCATED = replace(by_evidence(ALLOCATED, "unallocated", "unallocated"), outcome="failed")


@pytest.mark.parametrize(
    "case",
    [
        (ALLOCATED, ALLOCATE, UNALLOCATED, HELD),
        (by_evidence(ALLOCATED, "allocated"), silent(ALLOCATE), UNALLOCATED, HELD),
        (NOT_ALLOCATED, idle(ALLOCATE), UNALLOCATED, UNALLOCATED),
        (RENAMED, RENAME, HELD, State(VM, NAME)),
        (by_evidence(RENAMED, "set"), silent(RENAME), HELD, State(VM, NAME)),
        (NOT_SET, idle(RENAME), HELD, HELD),
    ],
)
def test_correct_records_of_an_undo_have_no_differences(case: Case) -> None:
    assert differences(case) == []


ELSEWHERE = State(OTHER)


@pytest.mark.parametrize(
    ("case", "difference"),
    [
        ((ALLOCATED, replace(ALLOCATE, action="unallocate"), HELD, HELD), "has 0 entries"),
        (
            (ALLOCATED, replace(ALLOCATE, state=ELSEWHERE), UNALLOCATED, ELSEWHERE),
            "changed its address to",
        ),
        ((RENAMED, replace(RENAME, state=HELD), HELD, HELD), "changed its address to"),
        ((RENAMED, RENAME, HELD, HELD), "instead of"),
        ((NOT_SET, silent(RENAME), HELD, State(VM, NAME)), "did happen"),
        (
            (NOT_ALLOCATED, silent(ALLOCATE), UNALLOCATED, HELD),
            "was found unallocated, but was",
        ),
        (
            (by_evidence(ALLOCATED, "unallocated"), idle(ALLOCATE), UNALLOCATED, UNALLOCATED),
            "no reading that found it allocated",
        ),
    ],
)
def test_a_wrong_record_of_an_undo_is_a_difference(case: Case, difference: str) -> None:
    found = differences(case)
    assert any(difference in each for each in found), found


@pytest.mark.parametrize(
    ("attempt", "reason"),
    [
        (unknown("allocated", "other"), "allocated to something else in the meantime"),
        (unknown("gone", "unallocated"), "a reading did not find it"),
        (unknown("unallocated", competing_attempts=("b",)), "another attempt could have done it"),
        (unknown("allocated", "unreadable"), "could not be read in time"),
        (unknown("allocated", competing_attempts=("b",)), "another attempt could have hidden it"),
        (unknown("unallocated"), ""),
        (unknown("unreadable", "allocated"), ""),
        (unknown("other", basis="check"), ""),
    ],
)
def test_an_unknown_outcome_has_a_reason(attempt: Attempt, reason: str) -> None:
    assert why_unknown(attempt) == reason
