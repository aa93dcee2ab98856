"""A second person approves what the setting says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from ipadmin.audit.activity import Actor
from ipadmin.katapult.types import Organization
from ipadmin.models import ApiToken, AuditLink, Run, RunItem, RunState, User
from ipadmin.services import run_approval, run_lists, runs
from ipadmin.services.run_approval import CannotDecide, Rules
from ipadmin.services.run_state import RunChanged
from tests.services.cloud import Cloud
from tests.services.conftest import keep_token

ACME = Organization("org_1", "Acme", "acme")
Decide = Callable[..., None]


def details(kind: str) -> dict[str, Any]:
    """Those of the one activity of a kind."""
    return AuditLink.objects.get(kind=kind).details or {}


def of(user: User) -> Actor:
    return Actor(user.pk, user.username)


@pytest.fixture
def waiting(token: ApiToken, cloud: Cloud, settings: Settings) -> Run:
    """alice's run, which waits for an approval."""
    settings.APPROVALS = "*=every"
    run = runs.draft(token.owner, token, cloud.add(1, 2))
    runs.start(run, of(token.owner), reason="OPS-1")
    return run


@pytest.fixture
def approver(bob: User) -> User:
    """bob, with a token of the same organization."""
    keep_token(bob, "bobs0token0bobs0token", ACME)
    return bob


def test_rules_are_read() -> None:
    assert run_approval.parse("*=above:20+dangerous lab=never Prod=every") == {
        "*": Rules(dangerous=True, above=20),
        "lab": Rules(),
        "prod": Rules(every=True),
    }
    assert run_approval.parse("") == {}


@pytest.mark.parametrize(
    "text",
    [
        *("every", "=every", "*=", "*=often", "*=never+every", "*=above:", "*=above:-1"),
        *("*=above:x", "*=above:1+above:2", "a=every A=never", "*=every,dangerous"),
    ],
)
def test_wrong_rules_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="“"):
        run_approval.parse(text)


@pytest.mark.parametrize(
    ("approvals", "dangerous", "expected"),
    [
        ("", True, ""),
        ("*=every", False, "every"),
        ("*=every acme=never", True, ""),
        ("other=every", False, ""),
        ("ACME=every", False, "every"),
        ("*=dangerous", False, ""),
        ("*=dangerous", True, "dangerous"),
        ("*=above:1", False, "size"),
        ("*=above:2", False, ""),
        ("*=above:1+dangerous", True, "dangerous"),
    ],
)
def test_a_rule_decides_whether_an_approval_is_needed(
    settings: Settings, approvals: str, *, dangerous: bool, expected: str
) -> None:
    settings.APPROVALS = approvals
    token = ApiToken(organization_sub_domain="acme")
    items = [RunItem(last_of_family=False), RunItem(vip=dangerous, last_of_family=False)]
    assert run_approval.rule_for(token, items) == expected


def test_a_run_that_needs_an_approval_waits_for_it(waiting: Run, settings: Settings) -> None:
    assert (waiting.state, waiting.approval_rule) == (RunState.WAITING, "every")
    assert waiting.expires_at
    hours = (waiting.expires_at - timezone.now()).total_seconds() / 3600
    assert round(hours) == settings.APPROVAL_EXPIRES_AFTER
    assert details("run_confirmed")["rule"] == "every"


def test_an_approved_run_is_queued(waiting: Run, approver: User) -> None:
    assert run_lists.waiting_for(approver).approvals == [waiting]
    run_approval.approve(waiting, approver, of(approver), "Looks right")
    assert (waiting.state, waiting.decided_by) == (RunState.QUEUED, approver)
    assert waiting.decision_reason == "Looks right"
    approved = details("run_approved")
    assert approved["sha256"] == details("run_confirmed")["sha256"]
    assert approved["by"]["user_name"] == "bob"
    assert run_lists.waiting_for(approver).approvals == []


def test_a_rejected_run_has_ended(waiting: Run, approver: User) -> None:
    run_approval.reject(waiting, approver, of(approver), "Wrong machine")
    assert waiting.state == RunState.REJECTED
    assert waiting.has_ended
    assert AuditLink.objects.filter(kind="run_rejected").count() == 1


@pytest.mark.parametrize("decide", [run_approval.approve, run_approval.reject])
def test_nobody_decides_on_their_own_run(waiting: Run, decide: Decide) -> None:
    assert run_lists.waiting_for(waiting.user).approvals == []
    with pytest.raises(CannotDecide):
        decide(waiting, waiting.user, of(waiting.user))
    assert Run.objects.get().state == RunState.WAITING


def disable(user: User) -> None:
    user.is_active = False
    user.save()


def remove_role(user: User) -> None:
    user.groups.clear()


def remove_token(user: User) -> None:
    ApiToken.objects.filter(owner=user).delete()


def change_organization(user: User) -> None:
    other = {"organization_id": "org_2", "organization_sub_domain": "other"}
    ApiToken.objects.filter(owner=user).update(**other)


def type_organization(user: User) -> None:
    """Its token has never listed the addresses of the organization that was typed."""
    ApiToken.objects.filter(owner=user).update(organization_id="")


@pytest.mark.parametrize(
    "spoil", [disable, remove_role, remove_token, change_organization, type_organization]
)
def test_only_operators_of_the_organization_decide(
    waiting: Run, approver: User, spoil: Callable[[User], None]
) -> None:
    spoil(approver)
    person = User.objects.get(pk=approver.pk)
    assert not run_approval.may_decide(person, waiting)
    with pytest.raises(CannotDecide):
        run_approval.approve(waiting, person, of(person))


def test_a_typed_organization_counts_once_it_was_listed(waiting: Run, approver: User) -> None:
    ApiToken.objects.filter(owner=approver).update(organization_id="", can_list=True)
    assert run_approval.may_decide(approver, waiting)


def test_auditors_and_administrators_do_not_decide(waiting: Run, audrey: User, adam: User) -> None:
    for user in (audrey, adam):
        keep_token(user, f"token-of-{user.username}-0123456789", ACME)
        assert not run_approval.may_decide(user, waiting)


def test_the_first_decision_counts(waiting: Run, approver: User, adam: User) -> None:
    same = Run.objects.get()
    run_approval.approve(waiting, approver, of(approver))
    with pytest.raises(RunChanged):
        run_approval.reject(same, approver, of(approver))
    assert Run.objects.get().state == RunState.QUEUED
    assert not AuditLink.objects.filter(kind="run_rejected").exists()


def test_a_withdrawn_request_is_not_approved(waiting: Run, approver: User) -> None:
    same = Run.objects.get()
    runs.stop(waiting, of(waiting.user))
    with pytest.raises(RunChanged):
        run_approval.approve(same, approver, of(approver))


def test_a_request_expires(waiting: Run, approver: User) -> None:
    run_approval.expire()
    assert Run.objects.get().state == RunState.WAITING
    Run.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(RunChanged):
        run_approval.approve(waiting, approver, of(approver))
    run_approval.expire()
    run_approval.expire()
    assert Run.objects.get().state == RunState.EXPIRED
    assert AuditLink.objects.filter(kind="run_expired").count() == 1
