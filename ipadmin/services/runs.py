"""Runs: many attempts under one confirmation. Drafted, started, paused, resumed and stopped here,
and carried out by the worker (`run_worker.py`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from ipadmin import access, tasks
from ipadmin.audit.activity import Actor
from ipadmin.audit.readings import allocation_fields
from ipadmin.models import Action, AuditEntry, LinkKind, Run, RunItem, RunState, User
from ipadmin.models.run import ACTIVE
from ipadmin.services import run_approval, run_pace, run_state
from ipadmin.services.attempt_entry import Circumstances
from ipadmin.services.change import Change
from ipadmin.services.run_drafts import (
    NothingToDo,
    NoToken,
    TooManyAddresses,
    draft,
    draft_undo,
    retry,
    token_of,
)
from ipadmin.services.run_state import RunChanged, transition

__all__ = [
    "DraftExpired",
    "NoToken",
    "NothingToDo",
    "Plan",
    "Progress",
    "RunChanged",
    "RunRow",
    "TooManyAddresses",
    "delete_old_drafts",
    "draft",
    "draft_undo",
    "may_stop",
    "pause",
    "plan",
    "progress",
    "resume",
    "retry",
    "rows",
    "start",
    "start_one",
    "stop",
    "token_of",
    "visible_to",
]

# `stop_reason` of a run that a person stopped.
BY_PERSON = "by_person"
DRAFTS_KEPT = timedelta(days=1)
# Of an address without an entry; otherwise its state is the outcome.
LEFT_OUT, WAITING, NOT_ATTEMPTED = "left_out", "waiting", "not_attempted"


class DraftExpired(RunChanged):
    """What the draft shows was read more than CONFIRMATION_MAX_AGE ago."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """An address of a run, with the entry of its attempt and that of its reverse DNS, if any."""

    item: RunItem
    entry: AuditEntry | None
    dns_entry: AuditEntry | None
    # An Outcome, or one of the constants above.
    state: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What carrying out a run takes: calls, and about how many seconds. `calls_left` of this minute
    is None where it is not known."""

    calls: int
    calls_left: int | None
    seconds: int


@dataclass(frozen=True, slots=True)
class Progress:
    """`outcomes` counts the addresses with an entry, `waiting` the others. `seconds_left` is about
    how long they take; None when the run is not being carried out."""

    total: int
    outcomes: dict[str, int]
    waiting: int
    seconds_left: int | None
    worker_is_running: bool

    @property
    def done(self) -> int:
        return self.total - self.waiting


# Reading


def visible_to(user: User) -> QuerySet[Run]:
    """The runs whose entries the user may see, and the user's own; drafts only to their owner."""
    shown = Q(user=user)
    if user.has_perm(access.VIEW_HISTORY):
        organizations = access.own_organizations(user)
        is_seen = Q()
        if organizations is not None:
            # An approver's token may know the sub-domain only.
            is_seen = Q(organization_key__in=organizations)
            is_seen |= Q(organization_sub_domain__in=organizations)
        shown |= is_seen & ~Q(state=RunState.DRAFT)
    return Run.objects.filter(shown).select_related("user", "decided_by", "token")


def may_stop(user: User, run: Run) -> bool:
    """Whether the user may pause and stop a run: its owner, or another operator of the
    organization. Only its owner resumes it."""
    return user.pk == run.user_id or run_approval.may_decide(user, run)


def rows(run: Run) -> list[RunRow]:
    """All addresses of a run, in their order. Entries have few fields: a page asks every second or
    two. Others are read when they are used."""
    made = AuditEntry.objects.filter(run_id=run.pk)
    made = made.only("attempt_id", "outcome", "error_code", "finished_at")
    entries = {entry.attempt_id: entry for entry in made}
    found = []
    for item in run.items.all():
        entry = entries.get(item.attempt_id)
        without_entry = NOT_ATTEMPTED if run.has_ended else WAITING
        state = entry.outcome if entry else LEFT_OUT if item.skip_reason else without_entry
        found.append(RunRow(item, entry, entries.get(item.dns_attempt_id), state))
    return found


def plan(run: Run) -> Plan:
    """What it takes to carry out a draft. Of an undo, without restoring reverse DNS."""
    calls = run.items.filter(skip_reason="").count() * run_pace.CALLS
    calls_left = run_pace.calls_left(run.token)
    return Plan(calls, calls_left, run_pace.seconds_needed(run.token, calls))


def progress(run: Run, rows: Sequence[RunRow]) -> Progress:
    """`rows` are all addresses of the run."""
    states = Counter(row.state for row in rows if row.state != LEFT_OUT)
    waiting = states.pop(WAITING, 0) + states.pop(NOT_ATTEMPTED, 0)
    calls = waiting * run_pace.calls_of(run)
    is_going = run.state in {RunState.QUEUED, RunState.RUNNING}
    is_claimed = run.claimed_until is not None and run.claimed_until > timezone.now()
    return Progress(
        states.total() + waiting,
        dict(states),
        waiting,
        run_pace.seconds_needed(run.token, calls) if is_going else None,
        is_claimed or tasks.worker_is_running(),
    )


# Changing


def start(run: Run, by: Actor, *, reason: str = "", with_reverse_dns: bool = False) -> None:
    """Confirm a draft: it is queued, or waits for an approval.

    Raises NothingToDo, DraftExpired and RunChanged; then nothing is changed.
    """
    items = [*run.items.filter(skip_reason="")]
    if not items:
        raise NothingToDo
    now = timezone.now()
    oldest = now - timedelta(seconds=settings.CONFIRMATION_MAX_AGE)
    if run.state == RunState.DRAFT and run.created_at < oldest:
        raise DraftExpired
    rule = run_approval.rule_for(run, items)
    details = {
        "action": run.action,
        "addresses": len(items),
        "sha256": run_state.items_digest(run),
        "rule": rule,
        "reason": reason,
        "reverse_dns": "restored" if with_reverse_dns else "",
    }
    fields = {
        "state": RunState.WAITING if rule else RunState.QUEUED,
        "approval_rule": rule,
        "reason": reason,
        "restores_reverse_dns": with_reverse_dns and run.action == Action.ALLOCATE,
        "confirmed_at": now,
        "expires_at": run_approval.expires_at() if rule else None,
        "source_ip": by.source_ip or None,
        "request_id": by.request_id,
    }
    is_fresh = Q(state=RunState.DRAFT, created_at__gte=oldest, user_id=by.user_id)
    kind = LinkKind.RUN_CONFIRMED
    transition(run, kind, by, only_if=is_fresh, fields=fields, recorded=details)


def start_one(change: Change, circumstances: Circumstances, *, reverse_dns: str = "") -> Run:
    """A started run of one confirmed change: for a change that needs an approval. If there is one
    with its attempt id already, that is returned. `reverse_dns`: the host name to restore."""
    user, ip = circumstances.user, change.ip
    if made := Run.objects.filter(items__attempt_id=change.attempt_id).first():
        return made
    run = Run(user=user, action=change.action)
    run.set_token(circumstances.token)
    item = RunItem(
        run=run,
        position=0,
        attempt_id=change.attempt_id,
        undoes=change.undoes,
        address_id=ip.id,
        address=ip.address,
        reverse_dns=reverse_dns or ip.reverse_dns or "",
        vip=ip.vip,
        last_of_family=change.action == Action.UNALLOCATE and change.is_last_of_family,
        read_since=change.read_since,
        **allocation_fields(change.allocation),
    )
    source_ip, request_id = circumstances.source_ip or "", circumstances.request_id
    by = Actor(user.pk, user.get_username(), source_ip=source_ip, request_id=request_id)
    try:
        with transaction.atomic():
            run.save(force_insert=True)
            item.save(force_insert=True)
            start(run, by, reason=circumstances.reason, with_reverse_dns=bool(reverse_dns))
    except IntegrityError:
        return Run.objects.get(items__attempt_id=change.attempt_id)
    return run


def pause(run: Run, by: Actor) -> None:
    """No further address is attempted until it is resumed. Raises RunChanged."""
    is_going = Q(state__in=[RunState.QUEUED, RunState.RUNNING])
    transition(run, LinkKind.RUN_PAUSED, by, only_if=is_going, fields={"state": RunState.PAUSED})


def resume(run: Run, by: Actor) -> None:
    """Raises RunChanged."""
    is_paused, fields = Q(state=RunState.PAUSED), {"state": RunState.QUEUED}
    transition(run, LinkKind.RUN_RESUMED, by, only_if=is_paused, fields=fields)


def stop(run: Run, by: Actor) -> None:
    """No further address is attempted. Raises RunChanged."""
    is_going = Q(state__in=[*ACTIVE, RunState.WAITING])
    ended = {"state": RunState.STOPPED, "stop_reason": BY_PERSON, "finished_at": timezone.now()}
    details = {"why": BY_PERSON}
    transition(run, LinkKind.RUN_STOPPED, by, only_if=is_going, fields=ended, recorded=details)


def delete_old_drafts() -> None:
    """Drafts that were never confirmed."""
    oldest = timezone.now() - DRAFTS_KEPT
    Run.objects.filter(state=RunState.DRAFT, created_at__lt=oldest).delete()
