"""Transitions between the states of a run: conditional updates, recorded as activity in the same
transaction."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction
from django.db.models import Q

from ipadmin.audit import activity, document
from ipadmin.audit.activity import Actor
from ipadmin.models import LinkKind, Run

# The worker, in activity. No user can have a name with a space.
WORKER = Actor(user_name="background worker")


class RunChanged(Exception):
    """The state of the run no longer allows this step: it was changed at the same time."""


def transition(
    run: Run,
    kind: LinkKind,
    by: Actor,
    *,
    only_if: Q,
    fields: Mapping[str, object],
    recorded: Mapping[str, object] | None = None,
) -> None:
    """Write fields of a run and record it as activity, with details, if the run meets the condition
    at that moment. Raises RunChanged; then nothing is written."""
    with transaction.atomic():
        if not Run.objects.filter(only_if, pk=run.pk).update(**fields):
            raise RunChanged(f"run {run.pk}: {kind}")
        record(kind, run, by, recorded or {})
    run.refresh_from_db()


def record(kind: LinkKind, run: Run, by: Actor, details: Mapping[str, object]) -> None:
    """In the transaction of the change. Empty details are left out."""
    given = {name: value for name, value in details.items() if value not in ("", None)}
    activity.record(kind, by, run=str(run.pk), organization=run.organization_title, **given)


def items_digest(run: Run) -> str:
    """SHA-256, in hexadecimal, over all that was confirmed of each address of the run."""
    names = (
        *("position", "address_id", "address", "reverse_dns", "vip", "last_of_family"),
        *("allocation_id", "allocation_type", "allocation_name", "skip_reason"),
    )
    confirmed = [dict(zip(names, row, strict=True)) for row in run.items.values_list(*names)]
    return document.digest(document.storable(confirmed)).hex()
