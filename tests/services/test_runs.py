"""The steps of a run, and what is shown of it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from ipadmin.audit.activity import Actor
from ipadmin.katapult.types import Allocation, IPAddress
from ipadmin.models import Action, ApiToken, AuditLink, Outcome, Run, RunState, User
from ipadmin.services import runs
from ipadmin.services.attempt import Circumstances
from ipadmin.services.change import Change
from tests.history import keep
from tests.services.cloud import Cloud
from tests.services.katapult import ADDRESS, IP, VM

pytestmark = pytest.mark.django_db

Step = Callable[[Run, Actor], None]


@pytest.fixture
def run(token: ApiToken, cloud: Cloud) -> Run:
    """A draft of two addresses; their machine keeps another one."""
    cloud.add(3)
    return runs.draft(token.owner, token, cloud.add(1, 2))


@pytest.fixture
def by(alice: User) -> Actor:
    return Actor(alice.pk, alice.username, source_ip="192.0.2.7", request_id="r1")


def details() -> list[dict[str, object]]:
    links = AuditLink.objects.filter(kind__startswith="run_").order_by("sequence")
    return [link.details or {} for link in links]


def test_a_confirmed_run_is_queued_and_recorded(run: Run, by: Actor) -> None:
    runs.start(run, by, reason="OPS-1")
    assert (run.state, run.reason, run.source_ip) == (RunState.QUEUED, "OPS-1", "192.0.2.7")
    (recorded,) = details()
    assert recorded["run"] == str(run.pk)
    assert (recorded["addresses"], recorded["reason"]) == (2, "OPS-1")
    assert len(str(recorded["sha256"])) == 64
    assert "rule" not in recorded


def test_the_digest_is_that_of_the_confirmed_addresses(run: Run, by: Actor) -> None:
    runs.start(run, by)
    before = details()[0]["sha256"]
    Run.objects.update(state=RunState.DRAFT)
    run.items.filter(position=0).update(allocation_id="vm_other")
    runs.start(run, by)
    assert details()[1]["sha256"] != before


def test_a_run_is_started_once(run: Run, by: Actor) -> None:
    same = Run.objects.get()
    runs.start(run, by)
    with pytest.raises(runs.RunChanged):
        runs.start(same, by)
    assert len(details()) == 1


def test_a_run_is_started_by_its_owner_only(run: Run, bob: User) -> None:
    with pytest.raises(runs.RunChanged):
        runs.start(run, Actor(bob.pk, bob.username))


def test_an_old_draft_is_not_started(run: Run, by: Actor, settings: Settings) -> None:
    run.created_at = timezone.now() - timedelta(seconds=settings.CONFIRMATION_MAX_AGE + 1)
    run.save()
    with pytest.raises(runs.DraftExpired):
        runs.start(run, by)
    run.refresh_from_db()
    assert run.state == RunState.DRAFT


def test_a_draft_of_nothing_is_not_started(token: ApiToken, cloud: Cloud, by: Actor) -> None:
    run = runs.draft(token.owner, token, ["ip_unknown"])
    with pytest.raises(runs.NothingToDo):
        runs.start(run, by)


@pytest.mark.parametrize(
    ("step", "before", "after"),
    [
        (runs.pause, RunState.QUEUED, RunState.PAUSED),
        (runs.pause, RunState.RUNNING, RunState.PAUSED),
        (runs.resume, RunState.PAUSED, RunState.QUEUED),
        (runs.stop, RunState.WAITING, RunState.STOPPED),
        (runs.stop, RunState.RUNNING, RunState.STOPPED),
        (runs.stop, RunState.PAUSED, RunState.STOPPED),
    ],
)
def test_steps_are_recorded(
    run: Run, by: Actor, step: Step, before: RunState, after: RunState
) -> None:
    Run.objects.update(state=before)
    step(run, by)
    assert run.state == after
    assert len(details()) == 1


@pytest.mark.parametrize(
    ("step", "state"),
    [
        (runs.pause, RunState.DRAFT),
        (runs.pause, RunState.WAITING),
        (runs.pause, RunState.FINISHED),
        (runs.resume, RunState.RUNNING),
        (runs.resume, RunState.STOPPED),
        (runs.stop, RunState.DRAFT),
        (runs.stop, RunState.FINISHED),
        (runs.stop, RunState.REJECTED),
    ],
)
def test_steps_are_refused_in_other_states(
    run: Run, by: Actor, step: Step, state: RunState
) -> None:
    Run.objects.update(state=state)
    with pytest.raises(runs.RunChanged):
        step(run, by)
    run.refresh_from_db()
    assert run.state == state
    assert details() == []


def test_a_draft_is_shown_to_its_owner_only(
    run: Run, alice: User, bob: User, audrey: User, adam: User
) -> None:
    people = (alice, bob, audrey, adam)
    assert [user for user in people if runs.visible_to(user)] == [alice]
    Run.objects.update(state=RunState.QUEUED)
    assert [user for user in people if runs.visible_to(user)] == [alice, bob, audrey]


def test_a_run_is_shown_to_those_who_see_its_entries(
    run: Run, bob: User, audrey: User, settings: Settings
) -> None:
    settings.HISTORY_OF_OWN_ORGANIZATIONS = True
    Run.objects.update(state=RunState.QUEUED)
    assert [user for user in (run.user, bob, audrey) if runs.visible_to(user)] == [run.user, audrey]


def test_progress_and_rows_are_those_of_the_entries(run: Run, by: Actor) -> None:
    runs.start(run, by)
    first = run.items.get(position=0)
    keep(attempt_id=first.attempt_id, run_id=run.pk, outcome=Outcome.FAILED)
    keep(attempt_id=uuid.uuid4(), run_id=run.pk, outcome=Outcome.FAILED)  # an earlier try
    shown = runs.progress(run, runs.rows(run))
    assert (shown.total, shown.done, shown.waiting) == (2, 1, 1)
    assert shown.outcomes == {"failed": 1}
    assert shown.seconds_left
    assert not shown.worker_is_running
    assert [row.state for row in runs.rows(run)] == ["failed", "waiting"]
    runs.stop(run, by)
    assert runs.progress(run, runs.rows(run)).seconds_left is None
    assert [row.state for row in runs.rows(run)] == ["failed", "not_attempted"]


def test_an_address_that_was_left_out_is_a_row_without_progress(
    token: ApiToken, cloud: Cloud
) -> None:
    run = runs.draft(token.owner, token, [*cloud.add(1), "ip_unknown"])
    assert runs.progress(run, runs.rows(run)).total == 1
    assert [row.state for row in runs.rows(run)] == ["waiting", "left_out"]


def test_a_plan_counts_two_calls_for_each_address(run: Run) -> None:
    plan = runs.plan(run)
    assert plan.calls == 4
    assert plan.calls_left == 999
    assert plan.seconds >= 1


def test_one_confirmed_change_becomes_one_run(token: ApiToken, settings: Settings) -> None:
    settings.APPROVALS = "*=every"
    holder = Allocation(VM, "VirtualMachine", "web-01")
    ip = IPAddress(IP, ADDRESS, "a.example.net", vip=False, allocation=holder)
    change = Change(uuid.uuid4(), Action.UNALLOCATE, ip, timezone.now(), is_last_of_family=False)
    made = [runs.start_one(change, Circumstances(token.owner, token, "OPS-1")) for _ in range(2)]
    assert made[0] == made[1]
    (run,) = Run.objects.all()
    assert (run.state, run.approval_rule, run.reason) == (RunState.WAITING, "every", "OPS-1")
    item = run.items.get()
    assert (item.attempt_id, item.ip) == (change.attempt_id, ip)


def test_old_drafts_are_deleted(run: Run, by: Actor) -> None:
    runs.delete_old_drafts()
    assert Run.objects.exists()
    Run.objects.update(created_at=timezone.now() - timedelta(days=2))
    runs.delete_old_drafts()
    assert not Run.objects.exists()
