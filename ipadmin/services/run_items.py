"""The addresses of a run: which are still to be attempted, and the changes that carry them out."""

from __future__ import annotations

import uuid
from dataclasses import replace

from django.db.models import F
from django.utils import timezone

from ipadmin.models import Action, AuditEntry, Outcome, Run, RunItem
from ipadmin.services.change import Change

# An attempt with such an outcome certainly changed nothing.
WITHOUT_EFFECT = (Outcome.FAILED, Outcome.REFUSED)
LIMIT_REACHED = "rate_limit_reached"
# Attempts on one address that end with a 429.
MAX_TRIES = 3


def unfinished(run: Run) -> list[RunItem]:
    """The addresses that are still to be attempted: without an entry, or after a 429."""
    entries = AuditEntry.objects.filter(run_id=run.pk)
    made = {id: rest for id, *rest in entries.values_list("attempt_id", "outcome", "error_code")}

    def is_waiting(attempt_id: uuid.UUID, tries: int) -> bool:
        return attempt_id not in made or (tries < MAX_TRIES and was_limited(*made[attempt_id]))

    def is_unfinished(item: RunItem) -> bool:
        if is_waiting(item.attempt_id, item.tries):
            return True
        has_more = restores(run, item) and made[item.attempt_id][0] == Outcome.SUCCEEDED
        return has_more and is_waiting(item.dns_attempt_id, item.dns_tries)

    return [item for item in run.items.filter(skip_reason="") if is_unfinished(item)]


def was_limited(outcome: str, error_code: str) -> bool:
    """Whether the rate limit refused the call, which has certainly changed nothing."""
    return error_code == LIMIT_REACHED and outcome in WITHOUT_EFFECT


def assign_new_attempt(item: RunItem, prefix: str) -> bool:
    """Give the address a new attempt, after a 429. False after MAX_TRIES."""
    id, tries = f"{prefix}attempt_id", f"{prefix}tries"
    if getattr(item, tries) >= MAX_TRIES:
        return False
    current = RunItem.objects.filter(pk=item.pk, **{id: getattr(item, id)})
    current.update(**{id: uuid.uuid4(), tries: F(tries) + 1})
    # A worker that has taken over may have assigned one already.
    item.refresh_from_db()
    return True


def restores(run: Run, item: RunItem) -> bool:
    """Whether the address has a second attempt, for its host name."""
    return run.restores_reverse_dns and bool(item.reverse_dns)


def change_of(run: Run, item: RunItem) -> Change:
    is_allocation = run.action == Action.ALLOCATE
    return Change(
        item.attempt_id,
        Action(run.action),
        replace(item.ip, allocation=None, reverse_dns=None) if is_allocation else item.ip,
        item.read_since,
        target=item.allocation if is_allocation else None,
        is_last_of_family=None if is_allocation else item.last_of_family,
        undoes=item.undoes,
        run_id=run.pk,
    )


def dns_change_of(run: Run, item: RunItem) -> Change:
    """Of the second attempt, which restores the host name."""
    return Change(
        item.dns_attempt_id,
        Action.SET_REVERSE_DNS,
        replace(item.ip, reverse_dns=None),
        timezone.now(),
        reverse_dns=item.reverse_dns,
        undoes=item.undoes,
        run_id=run.pk,
    )
