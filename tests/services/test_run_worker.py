"""A run is carried out once, whatever happens to its workers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import httpx
import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from ipadmin.audit.activity import Actor
from ipadmin.models import ApiToken, AuditEntry, AuditLink, Outcome, Run, RunState
from ipadmin.services import attempt, run_items, run_worker, runs
from ipadmin.services.attempt_entry import open_entry
from tests.services.cloud import Cloud, id_of
from tests.services.katapult import refusal

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _quick(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting for the beginning of a minute, nor between two looks."""
    settings.RUN_CONCURRENCY = 3
    monkeypatch.setattr("ipadmin.services.run_pace.FIRST_PART", 0)
    monkeypatch.setattr(run_worker, "POLL_SECONDS", 0.05)


def by_owner(run: Run) -> Actor:
    return Actor(user_id=run.user_id, user_name=run.user.get_username())


def queued(token: ApiToken, ids: list[str]) -> Run:
    run = runs.draft(token.owner, token, ids)
    runs.start(run, by_owner(run), reason="OPS-1")
    return run


def carried_out(run: Run) -> Run:
    """After a worker has had it."""
    work = run_worker.claim()
    assert work
    work.carry_out()
    run.refresh_from_db()
    return run


def kinds() -> list[str]:
    return [*AuditLink.objects.filter(kind__startswith="run_").values_list("kind", flat=True)]


def test_each_address_of_a_run_has_one_entry_and_one_call(token: ApiToken, cloud: Cloud) -> None:
    ids = cloud.add(*range(1, 21))
    run = carried_out(queued(token, ids))
    assert run.state == RunState.FINISHED
    assert sorted(cloud.changes) == [("unallocate", id) for id in ids]
    entries = AuditEntry.objects.filter(run_id=run.pk)
    assert {entry.outcome for entry in entries} == {Outcome.SUCCEEDED}
    assert {entry.address_id for entry in entries} == {*ids}
    assert {(entry.reason, entry.user_id) for entry in entries} == {("OPS-1", token.owner_id)}
    assert (run.claimed_by, run.claimed_until) == (None, None)
    assert kinds() == ["run_confirmed", "run_finished"]


def test_two_workers_that_claim_a_run_at_once_get_it_once(token: ApiToken, cloud: Cloud) -> None:
    queued(token, cloud.add(1))
    barrier, won = threading.Barrier(2), list[bool]()

    def claim() -> None:
        barrier.wait()
        won.append(run_worker.claim() is not None)
        connection.close()

    claims = [threading.Thread(target=claim) for _ in range(2)]
    for each in claims:
        each.start()
    for each in claims:
        each.join()
    assert sorted(won) == [False, True]


def test_a_run_of_a_dead_worker_is_taken_over_without_a_second_call(
    token: ApiToken, cloud: Cloud
) -> None:
    run = queued(token, cloud.add(1, 2, 3))
    assert run_worker.claim()
    first, second, _ = run.items.all()
    by = attempt.Circumstances(token.owner, token)
    attempt.carry_out(run_items.change_of(run, first), by)
    # The worker died after the entry of the second was committed.
    open_entry(run_items.change_of(run, second), by)
    assert run_worker.claim() is None

    Run.objects.update(claimed_until=timezone.now())
    run = carried_out(run)
    assert run.state == RunState.FINISHED
    assert [id for _, id in cloud.changes] == [id_of(1), id_of(3)]
    assert [row.state for row in runs.rows(run)] == ["succeeded", "pending", "succeeded"]
    assert kinds() == ["run_confirmed", "run_taken_over", "run_finished"]


def test_a_suspended_worker_starts_no_further_address(token: ApiToken, cloud: Cloud) -> None:
    run = queued(token, cloud.add(1, 2))
    suspended = run_worker.claim()
    assert suspended
    Run.objects.update(claimed_until=timezone.now())
    other = run_worker.claim()
    assert other
    suspended.carry_out()
    assert cloud.changes == []
    other.carry_out()
    run.refresh_from_db()
    assert run.state == RunState.FINISHED
    assert len(cloud.changes) == 2


def test_after_a_429_the_address_gets_another_attempt(
    token: ApiToken, cloud: Cloud, settings: Settings
) -> None:
    settings.RATE_LIMIT_WINDOW = 1
    (id,) = cloud.add(1)
    cloud.answers[id].append(refusal(429, "rate_limit_reached"))
    run = queued(token, [id])
    began = time.time()
    assert carried_out(run).state == RunState.FINISHED
    assert int(time.time()) > int(began)  # it waited for another window
    entries = AuditEntry.objects.filter(run_id=run.pk).order_by("id")
    assert [entry.outcome for entry in entries] == [Outcome.FAILED, Outcome.SUCCEEDED]
    assert [row.state for row in runs.rows(run)] == ["succeeded"]


def test_a_429_is_tried_again_twice_and_then_stays(
    token: ApiToken, cloud: Cloud, settings: Settings
) -> None:
    settings.RATE_LIMIT_WINDOW = 0.5
    (id,) = cloud.add(1)
    cloud.always = refusal(429, "rate_limit_reached")
    run = carried_out(queued(token, [id]))
    assert run.state == RunState.FINISHED
    assert AuditEntry.objects.filter(run_id=run.pk).count() == run_items.MAX_TRIES
    assert [row.state for row in runs.rows(run)] == ["failed"]


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (403, "invalid_api_token"),
        (403, "scope_not_granted"),
        (403, "organization_suspended"),
    ],
)
def test_an_error_that_will_not_go_away_stops_the_run(
    token: ApiToken, cloud: Cloud, status: int, code: str
) -> None:
    ids = cloud.add(*range(1, 20))
    cloud.always = refusal(status, code)
    run = carried_out(queued(token, ids))
    assert (run.state, run.stop_reason) == (RunState.STOPPED, code)
    assert 1 <= AuditEntry.objects.count() <= 3
    assert kinds() == ["run_confirmed", "run_stopped"]


def test_five_unknown_outcomes_in_a_row_stop_the_run(
    token: ApiToken, cloud: Cloud, settings: Settings
) -> None:
    settings.RUN_CONCURRENCY = 1
    ids = cloud.add(*range(1, 20))
    for number in (1, 2, 3, 4, 6, 7, 8, 9, 10):
        cloud.answers[id_of(number)].append(httpx.ReadTimeout("timed out"))
    run = carried_out(queued(token, ids))
    assert (run.state, run.stop_reason) == (RunState.STOPPED, "unknown_outcomes")
    states = [row.state for row in runs.rows(run)]
    assert states == [*["unknown"] * 4, "succeeded", *["unknown"] * 5, *["not_attempted"] * 9]


def delete_token(token: ApiToken) -> None:
    token.delete()


def lose_key(token: ApiToken) -> None:
    ApiToken.objects.update(encrypted_secret=b"of another key")


def disable_owner(token: ApiToken) -> None:
    type(token.owner).objects.filter(pk=token.owner_id).update(is_active=False)


def remove_role(token: ApiToken) -> None:
    token.owner.groups.remove(Group.objects.get(name="operator"))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (delete_token, "token_deleted"),
        (lose_key, "token_unreadable"),
        (disable_owner, "owner_disabled"),
        (remove_role, "not_permitted"),
    ],
)
def test_a_run_that_nobody_may_carry_out_is_stopped(
    token: ApiToken, cloud: Cloud, spoil: Callable[[ApiToken], None], reason: str
) -> None:
    run = queued(token, cloud.add(1))
    spoil(token)
    run = carried_out(run)
    assert (run.state, run.stop_reason) == (RunState.STOPPED, reason)
    assert not AuditEntry.objects.exists()


def test_a_run_of_another_api_is_stopped(token: ApiToken, cloud: Cloud, settings: Settings) -> None:
    run = queued(token, cloud.add(1))
    settings.KATAPULT_API_URL = "http://127.0.0.1:10"
    assert carried_out(run).stop_reason == "another_api"


def test_a_paused_run_is_resumed_where_it_was(
    token: ApiToken, cloud: Cloud, settings: Settings
) -> None:
    settings.RUN_CONCURRENCY = 1
    ids = cloud.add(1, 2, 3)
    run = queued(token, ids)

    def pausing(_: httpx.Request) -> httpx.Response:
        runs.pause(run, by_owner(run))
        return httpx.Response(200, json={})

    cloud.answers[ids[1]].append(pausing)
    run = carried_out(run)
    assert (run.state, run.claimed_by) == (RunState.PAUSED, None)
    assert [row.state for row in runs.rows(run)] == ["succeeded", "succeeded", "waiting"]
    assert run_worker.claim() is None

    runs.resume(run, by_owner(run))
    assert carried_out(run).state == RunState.FINISHED
    assert [id for _, id in cloud.changes] == [ids[0], ids[2]]
    assert kinds() == ["run_confirmed", "run_paused", "run_resumed", "run_finished"]


def test_a_stopped_run_ends_after_the_addresses_in_hand(
    token: ApiToken, cloud: Cloud, settings: Settings
) -> None:
    settings.RUN_CONCURRENCY = 1
    ids = cloud.add(1, 2)
    run = queued(token, ids)

    def stopping(_: httpx.Request) -> httpx.Response:
        runs.stop(run, by_owner(run))
        return httpx.Response(200, json={})

    cloud.answers[ids[0]].append(stopping)
    run = carried_out(run)
    assert (run.state, run.stop_reason) == (RunState.STOPPED, runs.BY_PERSON)
    assert [row.state for row in runs.rows(run)] == ["succeeded", "not_attempted"]
    assert kinds() == ["run_confirmed", "run_stopped"]


def test_a_worker_that_ends_leaves_its_runs_to_others(
    token: ApiToken, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_worker, "_is_shutting_down", threading.Event())
    run = queued(token, cloud.add(1))
    work = run_worker.claim()
    assert work
    run_worker.shut_down()
    work.carry_out()
    run.refresh_from_db()
    assert (run.state, run.claimed_by) == (RunState.QUEUED, None)
    assert cloud.changes == []


def test_all_is_put_back_with_its_host_names(token: ApiToken, cloud: Cloud) -> None:
    before = {id: dict(cloud.addresses[id]) for id in cloud.add(1, 2)}
    run = carried_out(queued(token, [*before]))
    undo = runs.draft_undo(token.owner, run)
    runs.start(undo, by_owner(undo), with_reverse_dns=True)
    assert carried_out(undo).state == RunState.FINISHED
    assert cloud.addresses == before
    (row, *_), (undone, *_) = runs.rows(undo), runs.rows(run)
    undoes = [entry and entry.undoes for entry in (row.entry, row.dns_entry)]
    assert undoes == [undone.item.attempt_id] * 2


def test_no_host_name_is_set_where_the_allocation_failed(token: ApiToken, cloud: Cloud) -> None:
    (id,) = cloud.add(1)
    run = carried_out(queued(token, [id]))
    undo = runs.draft_undo(token.owner, run)
    runs.start(undo, by_owner(undo), with_reverse_dns=True)
    cloud.answers[id].append(refusal(422, "no_interface_available"))
    assert carried_out(undo).state == RunState.FINISHED
    assert [name for name, _ in cloud.changes] == ["unallocate"]
    assert runs.rows(undo)[0].dns_entry is None


def test_a_worker_takes_up_several_runs(
    token: ApiToken, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2):
        queued(token, cloud.add(number))
    run_worker.claim_runs()
    for thread in run_worker._threads:
        thread.join()
    assert {*Run.objects.values_list("state", flat=True)} == {RunState.FINISHED}


def test_a_broken_attempt_stops_the_run(
    token: ApiToken, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(attempt, "carry_out", broken)
    run = carried_out(queued(token, cloud.add(1)))
    assert (run.state, run.stop_reason) == (RunState.STOPPED, "internal_error")


def test_a_run_whose_entries_cannot_be_written_is_stopped(
    token: ApiToken, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable(*_: object) -> None:
        raise attempt.AuditUnavailable

    monkeypatch.setattr(attempt, "carry_out", unavailable)
    run = carried_out(queued(token, cloud.add(1, 2)))
    assert (run.state, run.stop_reason) == (RunState.STOPPED, "audit_unavailable")
    assert cloud.changes == []
