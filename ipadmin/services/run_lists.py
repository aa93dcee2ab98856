"""Lists of runs: how many addresses each has, and which wait for a person."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db.models import Count, Exists, OuterRef, Q
from django.utils import timezone

from ipadmin.models import Run, RunItem, RunState, User
from ipadmin.services import run_approval
from ipadmin.services.runs import BY_PERSON

# A run that stopped longer ago is in the list of runs only.
STOPPED_SINCE = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Waiting:
    """`approvals` are runs of others that the person may decide on. `runs` are the person's own
    that are paused, or that stopped by themselves and were not repeated."""

    approvals: list[Run]
    runs: list[Run]

    @property
    def count(self) -> int:
        return len(self.approvals) + len(self.runs)


def waiting_for(user: User) -> Waiting:
    """In one query, because every page shows how many they are; one more for each approval."""
    now = timezone.now()
    stopped = Q(state=RunState.STOPPED, finished_at__gte=now - STOPPED_SINCE)
    followed = Q(retries=OuterRef("pk")) | Q(undoes=OuterRef("pk"))
    later = Run.objects.filter(followed).exclude(state=RunState.DRAFT)
    stopped &= ~Q(stop_reason=BY_PERSON) & Q(~Exists(later))
    own = Q(user=user) & (Q(state=RunState.PAUSED) | stopped)
    asked = ~Q(user=user) & Q(state=RunState.WAITING, expires_at__gt=now)
    found = Run.objects.filter(own | asked).select_related("user").order_by("created_at")
    runs = [*found]
    return Waiting(
        [run for run in runs if run_approval.may_decide(user, run)],
        [run for run in runs if run.user_id == user.pk],
    )


def sizes(runs: Collection[Run]) -> dict[UUID, int]:
    """The number of addresses of each run, without those left out."""
    items = RunItem.objects.filter(run__in=runs, skip_reason="").order_by()
    return dict(items.values_list("run").annotate(Count("id")))
