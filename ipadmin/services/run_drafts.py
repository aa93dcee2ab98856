"""Drafts of runs: what a confirmation shows, read with one reading of the organization's list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from uuid import UUID

from django.conf import settings
from django.db import transaction

from ipadmin.audit.readings import allocation_fields
from ipadmin.katapult import values
from ipadmin.models import (
    Action,
    ApiToken,
    AuditEntry,
    Outcome,
    Run,
    RunItem,
    SkipReason,
    User,
)
from ipadmin.services import inventory, undo
from ipadmin.services.listing import CANNOT_BE_UNALLOCATED
from ipadmin.services.run_approval import tokens_for
from ipadmin.services.run_items import WITHOUT_EFFECT
from ipadmin.services.run_state import RunChanged
from ipadmin.services.snapshots import Inventory, number


class TooManyAddresses(Exception):
    """More addresses than one run may have."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"more than {limit} addresses")
        self.limit = limit


class NothingToDo(Exception):
    """No address is left for a run."""


class NoToken(Exception):
    """The user has no token of the organization of the run."""


def draft(
    user: User, token: ApiToken, address_ids: Iterable[str], *, retries: Run | None = None
) -> Run:
    """A run that unallocates these addresses, not confirmed yet. Those that can't be unallocated
    are left out of it with a reason.

    Raises TooManyAddresses, NothingToDo (no addresses), and the errors of `inventory.read`.
    """
    ids = list(dict.fromkeys(address_ids))
    _require(len(ids))
    allocated, known = inventory.read_allocated(token), inventory.stored(token)
    items = [_item(id, allocated, known) for id in ids]
    _mark_last(items, allocated)
    return _save(Run(user=user, action=Action.UNALLOCATE, retries=retries), token, items)


def draft_undo(user: User, run: Run, *, retries: Run | None = None) -> Run:
    """A run that allocates what a run has unallocated to the machines that had it, without what was
    put back already. Raises the errors of `draft`, and NoToken."""
    if run.action != Action.UNALLOCATE or run.api_url != settings.KATAPULT_API_URL:
        raise NothingToDo
    token = token_of(user, run)
    entries = AuditEntry.objects.filter(run_id=run.pk, outcome=Outcome.SUCCEEDED)
    done = [*entries.order_by("id")]
    _require(len(done))
    allocated, undoable = inventory.read_allocated(token), undo.undoable(done)
    items = [_item_to_undo(entry, allocated, undoable) for entry in done]
    return _save(Run(user=user, action=Action.ALLOCATE, undoes=run, retries=retries), token, items)


def retry(user: User, run: Run) -> Run:
    """A run of the addresses of an ended run that failed, were refused, or were never attempted.
    Raises the errors of `draft`, NoToken and RunChanged."""
    if not run.has_ended:
        raise RunChanged(f"run {run.pk} has not ended")
    if run.action == Action.ALLOCATE:
        if run.undoes is None:
            raise NothingToDo
        return draft_undo(user, run.undoes, retries=run)
    outcomes = dict(AuditEntry.objects.filter(run_id=run.pk).values_list("attempt_id", "outcome"))
    ids = [
        item.address_id
        for item in run.items.filter(skip_reason="")
        if outcomes.get(item.attempt_id, Outcome.REFUSED) in WITHOUT_EFFECT
    ]
    return draft(user, token_of(user, run), ids, retries=run)


def token_of(user: User, run: Run) -> ApiToken:
    """The user's token for what follows a run: that of the run, or another one of the organization.
    Raises NoToken."""
    if run.token and run.token.owner_id == user.pk:
        return run.token
    if (found := tokens_for(user, run).first()) is None:
        raise NoToken
    return found


def _require(count: int) -> None:
    if not count:
        raise NothingToDo
    if count > settings.MAX_RUN_SIZE:
        raise TooManyAddresses(settings.MAX_RUN_SIZE)


def _item(id: str, allocated: Inventory, known: Inventory | None) -> RunItem:
    """The address as the list shows it; `known` is an earlier list, of all addresses."""
    listed, earlier = allocated.by_id.get(id), known.by_id.get(id) if known else None
    ip = listed or earlier
    if ip is None:
        reason = SkipReason.NOT_FOUND if allocated.is_complete else SkipReason.NOT_LISTED
        id = values.text(id)[: values.MAX_ID_LENGTH]
        return RunItem(address_id=id, skip_reason=reason, read_since=allocated.read_at)
    of = listed.allocation if listed else None
    skip_reason = ""
    if of is None:
        is_known = listed or allocated.is_complete
        skip_reason = SkipReason.NOT_ALLOCATED if is_known else SkipReason.NOT_LISTED
    elif of.type in CANNOT_BE_UNALLOCATED:
        skip_reason = SkipReason.LOAD_BALANCER
    if of and not of.name:
        names = (each.machine_name(of.id) for each in (known, allocated) if each)
        of = replace(of, name=next(filter(None, names), None))
    return RunItem(
        address_id=ip.id,
        address=ip.address,
        reverse_dns=ip.reverse_dns or "",
        vip=ip.vip,
        skip_reason=skip_reason,
        read_since=allocated.read_at,
        **allocation_fields(of),
    )


def _mark_last(items: Sequence[RunItem], allocated: Inventory) -> None:
    """Find the addresses whose machine keeps none of their family after the run."""
    chosen = {item.address_id for item in items if not item.skip_reason}
    kept = {
        (ip.allocation.id, ip.family)
        for ip in allocated.addresses
        if ip.allocation and ip.allocation.id and ip.id not in chosen
    }
    for item in items:
        if (item.allocation_id, item.family) in kept:
            item.last_of_family = False
        elif not item.skip_reason and allocated.is_complete:
            item.last_of_family = True


def _item_to_undo(entry: AuditEntry, allocated: Inventory, undoable: set[UUID]) -> RunItem:
    skip_reason = ""
    if undo.why_not(entry):
        skip_reason = SkipReason.NOT_A_MACHINE
    elif entry.attempt_id not in undoable:
        skip_reason = SkipReason.PUT_BACK
    elif (found := allocated.by_id.get(entry.address_id)) and found.allocation:
        skip_reason = SkipReason.ALLOCATED_AGAIN
    return RunItem(
        undoes=entry.attempt_id,
        address_id=entry.address_id,
        address=entry.address,
        reverse_dns=undo.old_reverse_dns(entry),
        vip=entry.vip,
        # Allocating takes no address away from a machine.
        last_of_family=False,
        skip_reason=skip_reason,
        read_since=allocated.read_at,
        **allocation_fields(entry.allocation),
    )


def _save(run: Run, token: ApiToken, items: list[RunItem]) -> Run:
    run.set_token(token)
    items.sort(key=lambda item: number(item.ip))
    for position, item in enumerate(items):
        item.run = run
        item.position = position
    with transaction.atomic():
        run.save(force_insert=True)
        RunItem.objects.bulk_create(items)
    return run
