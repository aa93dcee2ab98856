"""The state, progress and rows of a run in words."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from ipadmin.models import Action, AuditEntry, Outcome, Run, RunItem, RunState, SkipReason, User
from ipadmin.services.runs import LEFT_OUT, NOT_ATTEMPTED, WAITING, Progress, RunRow
from ipadmin.ui import run_progress

ID = uuid.UUID(int=1)
ALICE, BOB = User(username="alice"), User(username="bob")


def run(state: RunState = RunState.RUNNING, **fields: Any) -> Run:
    return Run(state=state, user=ALICE, **fields)


def progress(waiting: int = 0, seconds: int | None = None, **outcomes: int) -> Progress:
    total = waiting + sum(outcomes.values())
    return Progress(total, outcomes, waiting, seconds, worker_is_running=True)


def row(state: str, error: str = "", dns: str = "", **item: Any) -> RunRow:
    is_made = state in Outcome.values
    entry = AuditEntry(attempt_id=ID, outcome=state, error_code=error) if is_made else None
    dns_entry = AuditEntry(outcome=Outcome.REFUSED, error_code=dns) if dns else None
    found = RunItem(address="192.0.2.1", allocation_name="web-01", **item)
    return RunRow(found, entry, dns_entry, state)


@pytest.mark.parametrize(
    ("state", "found", "text"),
    [
        (RunState.QUEUED, progress(3), "0 of 3 done"),
        (RunState.RUNNING, progress(1, succeeded=1, failed=1), "2 of 3 done"),
        (RunState.FINISHED, progress(succeeded=3), "All 3 succeeded"),
        (RunState.FINISHED, progress(succeeded=1), "It succeeded"),
        (RunState.FINISHED, progress(succeeded=1, unknown=1), "1 of 2 succeeded"),
        (RunState.STOPPED, progress(2, succeeded=1), "1 of 3 succeeded"),
        (RunState.EXPIRED, progress(2), "Nobody approved it in time. Nothing was changed."),
    ],
)
def test_a_headline_says_how_far_it_is(state: RunState, found: Progress, text: str) -> None:
    assert run_progress.headline(run(state), found) == text


def test_a_rejection_names_the_person_and_the_reason() -> None:
    rejected = run(RunState.REJECTED, decided_by=BOB, decision_reason="Wrong rack")
    shown = run_progress.shown(rejected, progress(2))
    assert shown.headline == "Rejected by bob. Nothing was changed."
    assert shown.note == "Wrong rack"


def test_the_time_left() -> None:
    assert run_progress.remaining(run(), progress(1, seconds=120)) == "about 2 min left"
    assert run_progress.remaining(run(RunState.PAUSED), progress(1)) == ""


def test_a_run_that_finished_in_part_is_no_success() -> None:
    finished = run(RunState.FINISHED)
    assert run_progress.shown(finished, progress(succeeded=2)).badge.tone == "success"
    assert run_progress.shown(finished, progress(succeeded=1, failed=1)).badge.tone == "warning"


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("by_person", "A person stopped it."),
        ("unknown_outcomes", "Too many outcomes in a row were unknown."),
        ("organization_suspended", "The organization is suspended. Get the suspension lifted"),
        ("new_code", "Katapult answered: new_code."),
    ],
)
def test_why_a_run_stopped(reason: str, text: str) -> None:
    stopped = run(RunState.STOPPED, stop_reason=reason)
    assert run_progress.note(stopped, progress()).startswith(text)


def test_a_missing_worker_is_said_while_it_matters() -> None:
    alone = Progress(1, {}, 1, None, worker_is_running=False)
    assert run_progress.note(run(RunState.QUEUED), alone) == run_progress.NO_WORKER
    assert run_progress.note(run(RunState.FINISHED), alone) == ""


def test_the_bar_has_a_part_for_each_outcome() -> None:
    parts = [*run_progress.bar(progress(1, succeeded=2, failed=1))]
    assert parts == [(0, 50, "success"), (50, 25, "danger")]
    assert run_progress.counts(progress(1, succeeded=2, failed=1)) == (
        "2 succeeded, 1 failed, 1 not attempted"
    )


def names(of: Run, found: Progress, **who: bool) -> list[str]:
    everyone = {"is_own": True, "may_stop": True, "may_repeat": True}
    return [step.text for step in run_progress.steps(of, found, **everyone | who)]


def test_the_steps_of_each_state() -> None:
    some = progress(1, succeeded=2, failed=1)
    assert names(run(), some) == ["Pause", "Stop"]
    assert names(run(), some, may_stop=False) == []
    assert names(run(RunState.PAUSED), some) == ["Resume", "Stop"]
    assert names(run(RunState.PAUSED), some, is_own=False) == ["Stop"]
    ended = run(RunState.STOPPED)
    assert names(ended, some) == ["Retry the other 2…", "Put all back…"]
    assert names(ended, some, may_repeat=False) == []
    finished = run(RunState.FINISHED)
    assert names(finished, progress(failed=1)) == ["Retry the failed 1…"]
    undo = run(RunState.FINISHED, action=Action.ALLOCATE)
    assert names(undo, progress(succeeded=2)) == []


def test_tabs_count_the_states_that_occur() -> None:
    rows = [row("succeeded"), row(WAITING), row(WAITING), row(LEFT_OUT)]
    assert [
        (tab.text, tab.number, tab.is_chosen) for tab in run_progress.tabs(rows, "waiting")
    ] == [
        ("All", 4, False),
        ("Succeeded", 1, False),
        ("Waiting", 2, True),
        ("Left out", 1, False),
    ]


@pytest.mark.parametrize(
    ("found", "note"),
    [
        (row("succeeded"), ""),
        (row("failed", "validation_error"), "Katapult rejected the change"),
        (row("failed", "new_code"), "new_code"),
        (row(LEFT_OUT, skip_reason=SkipReason.NOT_ALLOCATED), "Not allocated"),
        (row(NOT_ATTEMPTED), ""),
        (
            row("succeeded", dns="ip_address_not_found"),
            "Reverse DNS refused: Address not found",
        ),
        (
            row("succeeded", dns="reverse_dns_already_set"),
            "The reverse DNS is already the requested one",
        ),
    ],
)
def test_the_note_of_a_row(found: RunRow, note: str) -> None:
    assert run_progress.line(found).note == note


def test_a_summary_for_a_ticket() -> None:
    at = datetime(2026, 11, 3, 12, tzinfo=UTC)
    ended = run(
        RunState.FINISHED,
        organization_name="Acme",
        reason="OPS-1",
        finished_at=at,
        decided_by=BOB,
    )
    rows = [row("succeeded"), row("failed", "validation_error"), row(LEFT_OUT, skip_reason="x")]
    text = run_progress.ticket(ended, progress(succeeded=1, failed=1), rows, "https://x/")
    assert text.splitlines() == [
        "Unallocate 2 addresses: finished",
        "1 succeeded, 1 failed",
        "Organization: Acme",
        "By alice at 2026-11-03 12:00:00 UTC, decided by bob",
        "Reason: OPS-1",
        "192.0.2.1 web-01: succeeded",
        "192.0.2.1 web-01: failed (Katapult rejected the change)",
        "Run: https://x/",
    ]


def test_a_summary_of_many_addresses_is_cut() -> None:
    text = run_progress.ticket(
        run(RunState.FINISHED), progress(succeeded=150), [row("succeeded")] * 150, "https://x/"
    )
    assert "… and 50 more" in text
