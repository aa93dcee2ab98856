"""What readings prove after a call that was not answered: a table."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings

from ipadmin.audit.readings import ReadingResult, is_same
from ipadmin.katapult.types import Allocation
from ipadmin.models import Outcome
from ipadmin.services.evidence import (
    is_due,
    judge,
)
from tests.services.attempts import SENT
from tests.services.attempts import unanswered_entry as entry
from tests.services.katapult import OTHER_VM, VM

WAIT = settings.EVIDENCE_INTERVAL
DEADLINE = settings.EVIDENCE_DEADLINE
A, U, O, G, X, *_ = ReadingResult  # noqa: E741 - in the order of the class: one letter a reading


def conclusion(*readings: tuple[ReadingResult, float], **more: Any) -> Outcome | None:
    """Judged at the moment of the last reading."""
    after = readings[-1][1] if readings else 0
    found = judge(entry(*readings, **more), [], SENT + timedelta(seconds=after))
    return found["outcome"] if found else None


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        ([], None),
        ([(U, 0)], Outcome.SUCCEEDED),
        ([(A, 0), (U, 1)], Outcome.SUCCEEDED),
        ([(X, 0), (U, DEADLINE + 1)], Outcome.SUCCEEDED),
        # Still allocated: a late request can land until two readings agree.
        ([(A, 0)], None),
        ([(A, 0), (A, WAIT - 1)], None),
        ([(A, 0), (A, WAIT)], Outcome.FAILED),
        ([(A, 0), (A, WAIT / 2), (A, WAIT)], Outcome.FAILED),
        ([(A, 0), (X, WAIT / 2), (A, WAIT)], Outcome.FAILED),
        ([(A, DEADLINE)], None),
        ([(X, 0), (A, DEADLINE)], None),
        ([(A, DEADLINE), (A, DEADLINE + WAIT)], Outcome.FAILED),
        ([(A, DEADLINE), (X, DEADLINE + WAIT)], Outcome.UNKNOWN),
        # Something else never becomes proof.
        ([(O, 0)], None),
        ([(O, 0), (O, WAIT)], Outcome.UNKNOWN),
        ([(O, DEADLINE)], Outcome.UNKNOWN),
        ([(G, 0), (G, WAIT)], Outcome.UNKNOWN),
        ([(O, 0), (G, WAIT)], None),
        # Nor does what was read after it: in between the address was freed by somebody.
        ([(O, 0), (U, 1)], Outcome.UNKNOWN),
        ([(G, 0), (U, 1)], Outcome.UNKNOWN),
        ([(O, 0), (A, 1), (A, 1 + WAIT)], Outcome.UNKNOWN),
        ([(G, 0), (A, DEADLINE)], Outcome.UNKNOWN),
        # Not readable is not evidence.
        ([(X, 0), (X, WAIT)], None),
        ([(X, 0), (X, DEADLINE - 1)], None),
        ([(X, DEADLINE)], Outcome.UNKNOWN),
        ([(A, 0), (X, DEADLINE)], Outcome.UNKNOWN),
    ],
)
def test_what_readings_prove(
    readings: list[tuple[ReadingResult, float]], expected: Outcome | None
) -> None:
    assert conclusion(*readings) == expected


@pytest.mark.parametrize("code", ["", "answer_lost", "unhandled_exception", "request_timeout"])
def test_one_reading_never_proves_a_failure(code: str) -> None:
    """A gateway may answer while the request still travels."""
    assert conclusion((A, 0), error_code=code) is None
    assert conclusion((A, 0), (A, WAIT), error_code=code) == Outcome.FAILED


@pytest.mark.parametrize(
    ("rival", "seconds", "expected"),
    [
        ({"finished_at": None}, 0, None),
        ({"finished_at": None}, DEADLINE, Outcome.UNKNOWN),
        ({"finished_at": SENT, "outcome": Outcome.SUCCEEDED}, 0, Outcome.UNKNOWN),
        ({"finished_at": SENT, "outcome": Outcome.UNKNOWN}, 0, Outcome.UNKNOWN),
    ],
)
def test_a_competing_attempt_is_waited_for_and_then_named(
    rival: dict[str, Any], seconds: float, expected: Outcome | None
) -> None:
    other = entry(**rival)
    found = judge(entry((U, 0)), [other], SENT + timedelta(seconds=seconds))
    named = {"outcome": Outcome.UNKNOWN, "competing_attempts": [str(other.attempt_id)]}
    assert found == (named if expected else None)


def test_one_open_competing_attempt_among_finished_ones_is_waited_for() -> None:
    competing_attempts = [entry(finished_at=SENT, outcome=Outcome.SUCCEEDED), entry()]
    assert judge(entry((U, 0)), competing_attempts, SENT) is None


@pytest.mark.parametrize(
    ("readings", "seconds", "is_now"),
    [
        ([], 0, True),
        ([(A, 0)], WAIT - 1, False),
        ([(A, 0)], WAIT, True),
        ([(X, 0)], settings.EVIDENCE_RETRY, True),
        ([(U, 0)], settings.EVIDENCE_RETRY - 1, False),
    ],
)
def test_an_address_is_read_again_after_an_interval(
    readings: list[tuple[ReadingResult, float]], seconds: float, is_now: bool
) -> None:
    assert is_due(entry(*readings), SENT + timedelta(seconds=seconds)) is is_now


@pytest.mark.parametrize(
    ("before", "now", "same"),
    [
        (None, None, True),
        (Allocation(VM, "VirtualMachine"), None, False),
        (None, Allocation(VM, None), False),
        (Allocation(VM, "VirtualMachine", "old"), Allocation(VM, "VirtualMachine", "new"), True),
        (Allocation(VM, None), Allocation(VM, "VirtualMachine"), True),
        (Allocation(VM, "VirtualMachine"), Allocation(OTHER_VM, "VirtualMachine"), False),
        (Allocation("", "VirtualMachine", "a"), Allocation("", "VirtualMachine", "b"), False),
        (Allocation("", None, "a"), Allocation("", None, "a"), True),
        (Allocation(VM, "VirtualMachine", "a"), Allocation("", "VirtualMachine", "a"), False),
    ],
)
def test_which_allocations_are_the_same(
    before: Allocation | None, now: Allocation | None, same: bool
) -> None:
    assert is_same(before, now) is same
