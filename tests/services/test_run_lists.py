"""Which runs wait for a person, and how many addresses runs have."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ipadmin.katapult.types import Organization
from ipadmin.models import ApiToken, Run, RunItem, RunState, User
from ipadmin.services import run_lists
from tests.services.conftest import keep_token

pytestmark = pytest.mark.django_db


def keep_run(token: ApiToken, state: RunState, **fields: Any) -> Run:
    run = Run(user=token.owner, state=state, **fields)
    run.set_token(token)
    run.save(force_insert=True)
    return run


def test_own_runs_that_do_not_go_on(token: ApiToken) -> None:
    now = timezone.now()
    paused = keep_run(token, RunState.PAUSED)
    stopped = keep_run(token, RunState.STOPPED, stop_reason="not_sent", finished_at=now)
    for fields in (
        {"stop_reason": "by_person", "finished_at": now},
        {"stop_reason": "not_sent", "finished_at": now - timedelta(days=8)},
    ):
        keep_run(token, RunState.STOPPED, **fields)
    for state in (RunState.DRAFT, RunState.RUNNING, RunState.FINISHED, RunState.WAITING):
        keep_run(token, state, expires_at=now + timedelta(hours=1))
    found = run_lists.waiting_for(token.owner)
    assert found.runs == [paused, stopped]
    assert (found.approvals, found.count) == ([], 2)


def test_a_stopped_run_that_was_repeated_waits_no_more(token: ApiToken) -> None:
    ended = {"stop_reason": "not_sent", "finished_at": timezone.now()}
    stopped = keep_run(token, RunState.STOPPED, **ended)
    keep_run(token, RunState.DRAFT, retries=stopped)
    assert run_lists.waiting_for(token.owner).runs == [stopped]
    keep_run(token, RunState.FINISHED, retries=stopped)
    assert run_lists.waiting_for(token.owner).count == 0


def test_approvals_of_those_who_may_decide(token: ApiToken, bob: User, adam: User) -> None:
    soon = timezone.now() + timedelta(hours=1)
    asked = keep_run(token, RunState.WAITING, expires_at=soon)
    keep_run(token, RunState.WAITING, expires_at=timezone.now())
    assert run_lists.waiting_for(bob).approvals == []
    keep_token(bob, "bobs0token0bobs0token", Organization("org_1", "Acme", "acme"))
    assert run_lists.waiting_for(bob).approvals == [asked]
    assert run_lists.waiting_for(adam).count == 0


def test_nothing_that_waits_takes_one_query(token: ApiToken) -> None:
    with CaptureQueriesContext(connection) as found:
        run_lists.waiting_for(token.owner)
    assert len(found) == 1


def test_sizes_leave_out_what_is_left_out(token: ApiToken) -> None:
    run = keep_run(token, RunState.QUEUED)
    for position, reason in enumerate(("", "", "not_found")):
        RunItem.objects.create(run=run, position=position, skip_reason=reason)
    assert run_lists.sizes([run]) == {run.pk: 2}
