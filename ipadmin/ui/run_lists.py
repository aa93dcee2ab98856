"""Lists of runs in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.urls import reverse

from ipadmin.models import Run, RunState
from ipadmin.models.run import ACTIVE, ENDED
from ipadmin.ui import run_progress, run_texts
from ipadmin.ui.components import Badge, Empty, Linked

FILTERS = {
    "active": ("Under way", (RunState.WAITING, *ACTIVE)),
    "ended": ("Ended", ENDED),
}


class Listed(NamedTuple):
    """A run in a list. `text` says why it does not go on."""

    run: Run
    title: str
    badge: Badge
    text: str
    at: datetime


def tabs(chosen: str) -> list[tuple[str, str, bool]]:
    """URL, text, and whether it is chosen."""
    tabs = [(f"?state={name}", text, name == chosen) for name, (text, _) in FILTERS.items()]
    return [("?", "All", chosen not in FILTERS), *tabs]


def empty(chosen: str) -> Empty:
    if chosen in FILTERS:
        return Empty("layers", "No such runs", "", (Linked("Show all runs", "?"),))
    return Empty(
        "layers",
        "No runs yet",
        "Select several addresses in the list, or paste a ticket into the search.",
        (Linked("Addresses", reverse("addresses_home")), Linked("Search", reverse("search"))),
    )


def listed(runs: Iterable[Run], sizes: Mapping[UUID, int]) -> Iterator[Listed]:
    """`sizes` has the number of addresses of each run."""
    for run in runs:
        title = f"{run_texts.verb(run)} {run_texts.count(sizes.get(run.pk, 0))}"
        text = run.decision_reason if run.state == RunState.REJECTED else ""
        if run.state == RunState.STOPPED:
            text = run_progress.stop_reason(run)
        at = run.confirmed_at or run.created_at
        yield Listed(run, title, run_progress.BADGES[RunState(run.state)], text, at)
