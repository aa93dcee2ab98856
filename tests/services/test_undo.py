"""Undo, against the sandbox: what is offered, what is checked, and both attempts."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from pytest_django import Settings

from ipadmin.audit import effects
from ipadmin.audit.readings import ReadingResult
from ipadmin.katapult.types import Organization
from ipadmin.models import Action, ApiToken, AuditEntry, Outcome, User
from ipadmin.sandbox import Sandbox
from ipadmin.services import confirmation, evidence, undo
from ipadmin.services.attempt import Circumstances, carry_out
from ipadmin.services.undo import Restoration
from tests.history import attempt, keep
from tests.sandbox_client import some
from tests.services.conftest import PLANTED, keep_token

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def own_token(alice: User, box: Sandbox, settings: Settings) -> ApiToken:
    settings.KATAPULT_API_URL = box.url
    first = box.world()["organizations"][0]
    made = keep_token(alice, PLANTED, Organization(first["id"], first["name"], first["sub_domain"]))
    made.granted_scopes = ["virtual_machines:read"]
    made.save()
    return made


@pytest.fixture
def freed(box: Sandbox, own_token: ApiToken) -> AuditEntry:
    """The entry of an address that was taken from a virtual machine."""
    address = some(box, allocation_type="VirtualMachine", vip=False)
    shown = confirmation.read(own_token, address["id"])
    entry = carry_out(shown.change, Circumstances(own_token.owner, own_token))
    assert entry.outcome == Outcome.SUCCEEDED
    return entry


def put_back(
    token: ApiToken, entry: AuditEntry, *, with_reverse_dns: bool = False
) -> tuple[Restoration, AuditEntry]:
    shown = undo.read(token, entry)
    circumstances = Circumstances(token.owner, token)
    return shown, undo.undo(shown, circumstances, with_reverse_dns=with_reverse_dns)


def state(box: Sandbox, entry: AuditEntry) -> dict[str, Any]:
    addresses: list[dict[str, Any]] = box.world()["ip_addresses"]
    return next(each for each in addresses if each["id"] == entry.address_id)


def test_the_address_is_allocated_to_its_machine_again(
    box: Sandbox, own_token: ApiToken, freed: AuditEntry
) -> None:
    assert undo.undoable([freed]) == {freed.attempt_id}
    _, made = put_back(own_token, freed)
    assert (made.action, made.outcome, made.undoes) == ("allocate", "succeeded", freed.attempt_id)
    assert state(box, freed)["allocation_id"] == freed.allocation_id == made.allocation_id
    assert undo.related(freed, AuditEntry.objects.all()) == [made]
    assert undo.related(made, AuditEntry.objects.all()) == [freed]
    assert undo.undoable([freed]) == set()


def test_the_reverse_dns_is_set_by_a_second_attempt(
    box: Sandbox, own_token: ApiToken, freed: AuditEntry
) -> None:
    old = AuditEntry.objects.get(pk=freed.pk)
    shown = undo.read(own_token, old)
    object.__setattr__(shown.entry, "reverse_dns", "shop.example.net")
    undo.undo(shown, Circumstances(own_token.owner, own_token), with_reverse_dns=True)
    allocated, named = undo.related(freed, AuditEntry.objects.all())
    assert [allocated.action, named.action] == ["allocate", "set_reverse_dns"]
    assert (named.outcome, named.requested_reverse_dns) == ("succeeded", "shop.example.net")
    assert state(box, freed)["reverse_dns"] == "shop.example.net"


@pytest.mark.parametrize("times", [1, 2])
def test_a_repeated_confirmation_makes_no_other_call(
    box: Sandbox, own_token: ApiToken, freed: AuditEntry, times: int
) -> None:
    shown = undo.read(own_token, freed)
    for _ in range(times):
        undo.undo(shown, Circumstances(own_token.owner, own_token), with_reverse_dns=False)
    assert len(box.ledger("allocate")) == 1


def test_no_reverse_dns_after_an_allocation_that_failed(
    box: Sandbox, own_token: ApiToken, freed: AuditEntry
) -> None:
    shown = undo.read(own_token, freed)
    box.trash(freed.allocation_id)
    made = undo.undo(shown, Circumstances(own_token.owner, own_token), with_reverse_dns=True)
    assert (made.outcome, made.error_code) == ("failed", "object_in_trash")
    assert box.ledger("set_reverse_dns") == []


def test_a_machine_in_the_trash_is_seen_before(
    box: Sandbox, own_token: ApiToken, freed: AuditEntry
) -> None:
    box.trash(freed.allocation_id)
    shown = undo.read(own_token, freed)
    assert shown.obstacle == "object_in_trash"
    assert shown.kept_until


def test_an_address_that_is_allocated_again_is_seen_before(
    box: Sandbox, own_token: ApiToken, freed: AuditEntry
) -> None:
    shown = undo.read(own_token, freed)
    box.allocate(freed.address_id, freed.allocation_id)
    assert undo.read(own_token, freed).obstacle == "is_back"
    made = undo.undo(shown, Circumstances(own_token.owner, own_token), with_reverse_dns=False)
    assert (made.outcome, made.error_code) == ("refused", "already_allocated")
    assert box.ledger("allocate") == []


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"kind": "no_answer"}, ("succeeded", "evidence")),
        ({"kind": "no_answer", "acts": False}, ("unknown", "")),
        ({"kind": "html", "acts": True}, ("succeeded", "evidence")),
        ({"kind": "status", "status": 500}, ("unknown", "")),
        ({"kind": "error", "code": "no_interface_available"}, ("failed", "answer")),
        ({"kind": "error", "code": "ip_already_allocated"}, ("failed", "answer")),
        ({"kind": "error", "code": "virtual_machine_not_found"}, ("failed", "answer")),
        ({"kind": "rate_limit"}, ("failed", "answer")),
    ],
)
def test_each_answer_has_its_outcome(
    box: Sandbox,
    own_token: ApiToken,
    freed: AuditEntry,
    fault: dict[str, Any],
    expected: tuple[str, str],
) -> None:
    box.set_faults([{"call": "allocate", **fault}])
    _, made = put_back(own_token, freed)
    assert (made.outcome, made.basis) == expected
    assert bool(state(box, freed)["allocation_id"]) is (made.outcome == "succeeded")


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"outcome": "failed"}, "nothing_to_undo"),
        ({"action": "allocate"}, "nothing_to_undo"),
        ({"api_url": "https://other.example"}, "another_api"),
        ({"allocation_type": "LoadBalancer"}, "load_balancer"),
        ({"allocation_type": "Gateway"}, "unknown_type"),
        ({"allocation_id": ""}, "unknown_type"),
        ({}, ""),
    ],
)
def test_why_an_attempt_cannot_be_undone(changed: dict[str, Any], code: str) -> None:
    assert undo.why_not(attempt(**changed)) == code


def test_only_the_newest_change_of_an_address_can_be_undone() -> None:
    first = keep(created_at=datetime(2026, 11, 23, tzinfo=UTC))
    second = keep(created_at=datetime(2026, 11, 24, tzinfo=UTC))
    assert undo.undoable([first, second]) == {second.attempt_id}
    keep(outcome=Outcome.FAILED, created_at=datetime(2026, 11, 25, tzinfo=UTC))
    assert undo.undoable([first, second]) == {second.attempt_id}
    keep(action=Action.ALLOCATE, outcome=Outcome.PENDING, undoes=second.attempt_id)
    assert undo.undoable([first, second]) == set()


@pytest.mark.parametrize(
    ("host", "old"),
    [
        ("web-01.example.net", "web-01.example.net"),
        ("192-0-2-7.rdns.katapult.io", ""),
        ("192-0-2-7.rdns.katapult.io.", ""),
        ("", ""),
    ],
)
def test_a_default_host_name_is_not_set_again(host: str, old: str) -> None:
    assert undo.old_reverse_dns(attempt(reverse_dns=host)) == old


SENT = datetime(2026, 11, 23, 12, tzinfo=UTC)


def unanswered(action: Action, *readings: tuple[ReadingResult, float]) -> AuditEntry:
    return attempt(
        action=action,
        outcome=Outcome.UNKNOWN,
        sent_at=SENT,
        finished_at=None,
        evidence=[
            {"read_at": (SENT + timedelta(seconds=after)).isoformat(), "found": str(found)}
            for found, after in readings
        ],
    )


@pytest.mark.parametrize("action", Action)
def test_readings_prove_the_effect_of_each_action(action: Action) -> None:
    before, after = effects.BEFORE[action], effects.AFTER[action]
    later = 1 + settings.EVIDENCE_INTERVAL
    now = SENT + timedelta(seconds=later)
    assert evidence.judge(unanswered(action, (after, 1)), [], now) == {"outcome": "succeeded"}
    assert evidence.judge(unanswered(action, (before, 1)), [], now) is None
    settled = unanswered(action, (before, 1), (before, later))
    assert evidence.judge(settled, [], now) == {"outcome": "failed"}


def test_an_effect_that_another_attempt_can_have_hidden_is_unknown() -> None:
    sent, other = timedelta(seconds=1), Action.ALLOCATE
    keep(action=other, sent_at=SENT + sent, finished_at=SENT + 2 * sent, created_at=SENT)
    later = 5.0 + settings.EVIDENCE_INTERVAL
    found = ((ReadingResult.ALLOCATED, 5.0), (ReadingResult.ALLOCATED, later))
    entry = unanswered(Action.UNALLOCATE, *found)
    reversing = evidence.competing_attempts_of(entry)
    assert [each.action for each in reversing] == [other]
    judged = evidence.judge(entry, reversing, SENT + timedelta(seconds=later))
    assert judged is not None
    assert judged["outcome"] == "unknown"


def test_attempts_to_give_it_to_another_machine_do_not_compete() -> None:
    entry = unanswered(Action.ALLOCATE, (ReadingResult.ALLOCATED, 5.0))
    keep(
        action=Action.ALLOCATE,
        allocation_id="vm_other",
        sent_at=SENT,
        finished_at=SENT + timedelta(seconds=2),
        attempt_id=uuid.uuid4(),
    )
    assert evidence.competing_attempts_of(entry) == []
