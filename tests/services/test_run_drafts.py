"""What a confirmation of many addresses shows, read live and once."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from ipadmin.katapult.types import Organization
from ipadmin.models import Action, ApiToken, AuditEntry, Outcome, Run, RunState, User
from ipadmin.services import inventory, runs
from ipadmin.services.run_drafts import TooManyAddresses
from tests.history import keep
from tests.services.cloud import Cloud, id_of
from tests.services.conftest import keep_token
from tests.services.katapult import OTHER_VM, VM

pytestmark = pytest.mark.django_db


def ended(run: Run) -> Run:
    run.state = RunState.STOPPED
    run.save()
    return run


def attempted(run: Run, position: int, outcome: Outcome, **fields: object) -> AuditEntry:
    """Put the entry of an attempt into the history."""
    item = run.items.get(position=position)
    usual = {
        "attempt_id": item.attempt_id,
        "run_id": run.pk,
        "address_id": item.address_id,
        "address": item.address,
        "allocation_id": item.allocation_id,
        "reverse_dns": item.reverse_dns,
        "outcome": outcome,
    }
    return keep(**usual | fields)


def test_a_draft_has_the_addresses_in_order_with_one_reading(token: ApiToken, cloud: Cloud) -> None:
    cloud.add(1, 2, 3)
    run = runs.draft(token.owner, token, [id_of(3), id_of(1), id_of(3)])
    assert [item.address for item in run.items.all()] == ["192.0.2.1", "192.0.2.3"]
    assert (run.state, run.organization_title) == (RunState.DRAFT, "Acme")
    assert cloud.calls == 1


def test_the_last_addresses_of_a_machine_are_those_that_leave_it_none(
    token: ApiToken, cloud: Cloud
) -> None:
    cloud.add(1, 2, 3)
    cloud.add(4, 5, holder=OTHER_VM)
    cloud.add(6, address="2001:db8::6")
    run = runs.draft(token.owner, token, map(id_of, (1, 2, 4, 5, 6)))
    last = [item.last_of_family for item in run.items.all()]
    assert last == [False, False, True, True, True]
    assert [item.is_dangerous for item in run.items.all()] == last


def test_a_vip_is_dangerous(token: ApiToken, cloud: Cloud) -> None:
    cloud.add(1)
    run = runs.draft(token.owner, token, cloud.add(2, vip=True))
    assert run.items.get().is_dangerous


def test_addresses_that_cannot_be_unallocated_are_left_out(token: ApiToken, cloud: Cloud) -> None:
    cloud.add(1)
    cloud.add(2, holder="lb_1", allocation_type="LoadBalancer")
    cloud.add(3)
    inventory.read(token)
    cloud.addresses[id_of(3)]["allocation_id"] = None
    run = runs.draft(token.owner, token, map(id_of, (1, 2, 3, 9)))
    reasons = dict(run.items.values_list("address_id", "skip_reason"))
    assert reasons == {
        id_of(1): "",
        id_of(2): "load_balancer",
        id_of(3): "not_allocated",
        id_of(9): "not_found",
    }


def test_nothing_is_concluded_from_an_incomplete_list(token: ApiToken, cloud: Cloud) -> None:
    cloud.add(1, 2)
    cloud.total = 5
    run = runs.draft(token.owner, token, map(id_of, (1, 2, 9)))
    last, _, missing = run.items.order_by("-address")
    assert last.last_of_family is None
    assert last.is_dangerous
    assert missing.skip_reason == "not_listed"


def test_a_run_has_a_limit(token: ApiToken, cloud: Cloud, settings: Settings) -> None:
    settings.MAX_RUN_SIZE = 2
    assert runs.draft(token.owner, token, cloud.add(1, 2))
    with pytest.raises(TooManyAddresses) as caught:
        runs.draft(token.owner, token, cloud.add(1, 2, 3))
    assert caught.value.limit == 2
    with pytest.raises(runs.NothingToDo):
        runs.draft(token.owner, token, [])
    assert cloud.calls == 1


def test_an_undo_has_what_succeeded_and_was_not_put_back(token: ApiToken, cloud: Cloud) -> None:
    run = runs.draft(token.owner, token, cloud.add(*range(1, 7)))
    for position in range(5):
        attempted(run, position, Outcome.SUCCEEDED)
        cloud.addresses[id_of(position + 1)]["allocation_id"] = None
    attempted(run, 5, Outcome.FAILED)
    ids = [item.attempt_id for item in run.items.all()]
    for number, outcome in ((1, Outcome.FAILED), (2, Outcome.PENDING), (3, Outcome.SUCCEEDED)):
        back = {"action": Action.ALLOCATE, "address_id": id_of(number), "outcome": outcome}
        keep(undoes=ids[number - 1], **back)
    cloud.addresses[id_of(4)]["allocation_id"] = OTHER_VM

    undo = runs.draft_undo(token.owner, run)
    reasons = [*undo.items.values_list("skip_reason", flat=True)]
    assert reasons == ["", "put_back", "put_back", "allocated_again", ""]
    first = undo.items.get(position=0)
    assert (undo.action, undo.undoes) == (Action.ALLOCATE, run)
    assert (first.undoes, first.allocation_id, first.reverse_dns) == (
        ids[0],
        VM,
        "host-1.example.net",
    )
    assert not first.is_dangerous


def test_only_a_machine_gets_an_address_back(token: ApiToken, cloud: Cloud) -> None:
    run = runs.draft(token.owner, token, cloud.add(1))
    attempted(run, 0, Outcome.SUCCEEDED, allocation_type="Unknown")
    assert runs.draft_undo(token.owner, run).items.get().skip_reason == "not_a_machine"


def test_a_run_without_success_has_nothing_to_undo(token: ApiToken, cloud: Cloud) -> None:
    run = runs.draft(token.owner, token, cloud.add(1))
    with pytest.raises(runs.NothingToDo):
        runs.draft_undo(token.owner, run)


def test_a_retry_has_what_certainly_changed_nothing(token: ApiToken, cloud: Cloud) -> None:
    run = runs.draft(token.owner, token, cloud.add(*range(1, 6)))
    outcomes = (Outcome.FAILED, Outcome.REFUSED, Outcome.UNKNOWN, Outcome.SUCCEEDED)
    for position, outcome in enumerate(outcomes):
        attempted(run, position, outcome)
    with pytest.raises(runs.RunChanged):
        runs.retry(token.owner, run)
    again = runs.retry(token.owner, ended(run))
    assert [item.address_id for item in again.items.all()] == [id_of(1), id_of(2), id_of(5)]
    assert again.retries == run


def test_a_retried_undo_has_what_is_still_not_put_back(token: ApiToken, cloud: Cloud) -> None:
    run = runs.draft(token.owner, token, cloud.add(1, 2))
    for position in (0, 1):
        attempted(run, position, Outcome.SUCCEEDED)
        cloud.addresses[id_of(position + 1)]["allocation_id"] = None
    undo = runs.draft_undo(token.owner, run)
    ids = [item.undoes for item in undo.items.all()]
    attempted(undo, 0, Outcome.SUCCEEDED, action=Action.ALLOCATE, undoes=ids[0])
    attempted(undo, 1, Outcome.FAILED, action=Action.ALLOCATE, undoes=ids[1])
    again = runs.retry(token.owner, ended(undo))
    assert [item.skip_reason for item in again.items.all()] == ["put_back", ""]
    assert (again.undoes, again.retries) == (run, undo)


def test_another_operator_puts_back_with_their_own_token(
    token: ApiToken, bob: User, cloud: Cloud
) -> None:
    run = runs.draft(token.owner, token, cloud.add(1))
    attempted(run, 0, Outcome.SUCCEEDED)
    with pytest.raises(runs.NoToken):
        runs.draft_undo(bob, run)
    bobs = keep_token(bob, "bobs0token0bobs0token", Organization("org_1", "Acme", "acme"))
    assert runs.draft_undo(bob, run).token == bobs
