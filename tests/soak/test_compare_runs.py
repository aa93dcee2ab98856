"""Runs and undos made by hand, with lies that the comparison has to find."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.soak.compare_runs import compare_runs
from tests.soak.records import Attempt, Records, Run, RunItem
from tests.soak.test_compare import REFUSED, SUCCEEDED, VM, at

RUN = "r"
# Confirmed at second -1; its only attempt is that of `test_compare.py`.
ITEM = RunItem("ip_1", "a", "d", VM)
FINISHED = Run(RUN, "unallocate", "finished", "ann", (ITEM,), "", at(-1), at(3))
MADE = replace(SUCCEEDED, run_id=RUN)
LIMITED = replace(MADE, id=0, attempt_id="x", outcome="failed", error_code="rate_limit_reached")
MANY = tuple(replace(ITEM, ip=f"ip_{number}", attempt_id=f"a{number}") for number in range(5))
ALL = [replace(MADE, ip=each.ip, attempt_id=each.attempt_id) for each in MANY]
APPROVED = replace(
    FINISHED, items=MANY, approval_rule="size", decided_by="bob", decided_at=at(-0.5)
)
PUT_BACK = replace(SUCCEEDED, id=2, attempt_id="b", action="allocate", undoes="a", created_at=at(3))
PUT_BACK = replace(PUT_BACK, sent_at=at(4), finished_at=at(5))
NAMED = replace(PUT_BACK, id=3, attempt_id="c", action="set_reverse_dns", created_at=at(6))


def differences(run: Run | None, *attempts: Attempt) -> list[str]:
    return compare_runs(Records(attempts=[*attempts], runs=[run] if run else []))


@pytest.mark.parametrize(
    ("run", "attempts"),
    [
        (FINISHED, [MADE]),
        (FINISHED, [LIMITED, MADE]),
        (APPROVED, ALL),
        (replace(FINISHED, state="stopped", stop_reason="by_person"), []),
        (replace(FINISHED, state="paused", pauses=((at(0), None),)), [MADE]),
        (replace(FINISHED, state="draft", items=MANY, confirmed_at=None), []),
        (replace(APPROVED, state="waiting", decided_at=None, decided_by=""), []),
        (replace(APPROVED, state="rejected"), []),
        (None, [SUCCEEDED, PUT_BACK, NAMED]),
    ],
)
def test_correct_records_have_no_differences(run: Run | None, attempts: list[Attempt]) -> None:
    assert differences(run, *attempts) == []


@pytest.mark.parametrize(
    ("run", "attempts", "difference"),
    [
        (replace(FINISHED, state="running"), [MADE], "has not ended"),
        (replace(FINISHED, state="stopped"), [MADE], "does not say why"),
        (replace(APPROVED, state="rejected"), ALL, "has 5 attempts"),
        (FINISHED, [], "no attempts on ['ip_1']"),
        (None, [MADE], "run r is missing"),
        (replace(APPROVED, approval_rule=""), ALL, "has the approval rule (none)"),
        (replace(APPROVED, decided_by="ann"), ALL, "decided on by its owner"),
        (replace(APPROVED, decided_at=None), ALL, "was not approved"),
        (replace(APPROVED, decided_at=at(1)), ALL, "before it was approved"),
        (replace(FINISHED, decided_by="bob"), [MADE], "was decided on"),
        (FINISHED, [MADE, replace(MADE, id=2, ip="ip_2")], "not part of it"),
        (
            replace(FINISHED, items=(replace(ITEM, is_part=False),)),
            [MADE],
            "not part of it",
        ),
        (FINISHED, [replace(MADE, action="allocate", undoes="a")], "an attempt to allocate"),
        (
            FINISHED,
            [replace(MADE, id=0, attempt_id="x", outcome="failed"), MADE],
            "repeated on ip_1 without a 429",
        ),
        (FINISHED, [replace(LIMITED, id=-each) for each in range(3)] + [MADE], "has 4 attempts"),
        (FINISHED, [MADE, replace(MADE, id=2, attempt_id="y")], "another attempt on ip_1"),
        (FINISHED, [replace(MADE, holder="vm_2")], "not about vm_1"),
        (replace(FINISHED, confirmed_at=at(1)), [MADE], "before it was confirmed"),
        (replace(FINISHED, pauses=((at(-10), at(2)),)), [MADE], "while it was paused"),
        (replace(FINISHED, finished_at=at(-7)), [MADE], "after its end"),
        (None, [replace(SUCCEEDED, undoes="a")], "undoes a"),
        (None, [PUT_BACK], "undoes no unallocation"),
        (None, [replace(SUCCEEDED, ip="ip_2"), PUT_BACK], "undoes no unallocation"),
        (None, [replace(REFUSED, attempt_id="a"), PUT_BACK], "undoes a (no. 1, refused"),
        (None, [SUCCEEDED, replace(PUT_BACK, holder="vm_2")], "not about the machine"),
        (None, [SUCCEEDED, NAMED], "was not allocated before"),
        (
            None,
            [SUCCEEDED, PUT_BACK, replace(NAMED, created_at=at(4.5))],
            "was not allocated before",
        ),
    ],
)
def test_a_wrong_record_is_a_difference(
    run: Run | None, attempts: list[Attempt], difference: str
) -> None:
    found = differences(run, *attempts)
    assert any(difference in each for each in found), found
