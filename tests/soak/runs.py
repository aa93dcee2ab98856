"""Runs in a soak: an operator drafts, confirms, pauses, resumes, stops, undoes and repeats runs,
and decides on those of others."""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import datetime
from uuid import UUID

import httpx
from django.conf import settings
from django.db.models import Q

from ipadmin.models import Action, AuditEntry, AuditLink, LinkKind, Run, RunItem, RunState
from tests.soak import records
from tests.soak.forms import find_form
from tests.soak.person import Lost, Person

RUN = re.compile(r"/runs/([0-9a-f-]{36})/")
NUMBER = re.compile(r'data-enables="(\d+)"')
MOST = 2  # runs of one operator at once
DRAFT = UUID(int=0)  # stands for a run that is not known yet


class Runs:
    """The runs of one operator. `addresses` has those of each run that has not been collected: the
    operator makes no other attempts on them."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.addresses: dict[UUID, set[str]] = {}

    def has(self, ip: str) -> bool:
        return any(ip in each for each in self.addresses.values())

    def turn(self, free: list[str]) -> None:
        """One step: with an ended run, with one of another operator, with a run that goes on, or
        with a new one of some of the `free` addresses."""
        rng = self.person.rng
        own = Run.objects.filter(user__username=self.person.name, pk__in=self.addresses)
        for run in own:
            if run.has_ended and not AuditEntry.objects.filter(run_id=run.pk, finished_at=None):
                self.collect(run)
                return
        others = Run.objects.filter(state=RunState.WAITING)
        others = others.exclude(user__username=self.person.name)
        if (waiting := others.first()) and rng.random() < 0.5:
            self.decide(waiting)
        elif own and (len(own) >= MOST or rng.random() < 0.7):
            self.step(rng.choice(own))
        elif len(free) > 1:
            ips = rng.sample(free, min(len(free), rng.randrange(2, 9)))
            url = f"/tokens/{self.person.token_id}/runs/add/"
            self.draft("drafted a run", url, {*ips}, {"address": ips})

    def draft(
        self, name: str, url: str, ips: set[str], fields: dict[str, list[str]] | None = None
    ) -> None:
        """Make a draft and confirm it."""
        self.addresses[DRAFT] = ips
        answer = self.post(url, fields or {})
        del self.addresses[DRAFT]
        if answer and (found := RUN.search(answer.headers.get("Location", ""))):
            self.person.did[name] += 1
            self.addresses[UUID(found[1])] = ips
            self.confirm(UUID(found[1]))

    def confirm(self, run_id: UUID) -> None:
        """Submit the form, several times where an answer is lost; or forget the draft."""
        page = self.person.get(f"/runs/{run_id}/").text
        form = find_form(page, "reason")
        for _ in range(3 if form and self.person.chance(0.95) else 0):
            assert form
            fields = form.fields | {"reason": "a run", "with_reverse_dns": "on"}
            if number := NUMBER.search(page):
                fields["typed_number"] = number[1]
            if self.person.chance(0.3):
                del fields["with_reverse_dns"]
            answer = self.send(form.action, fields)
            if self.person.chance(0.2):
                answer = self.send(form.action, fields) or answer
            if answer and answer.status_code == 422:
                break
            if Run.objects.exclude(state=RunState.DRAFT).filter(pk=run_id).exists():
                self.person.did["confirmed a run"] += 1
                return
        del self.addresses[run_id]

    def step(self, run: Run) -> None:
        steps = {
            RunState.PAUSED: ("resume", "resume", "resume", "stop"),
            RunState.WAITING: ("", "", "", "", "", "stop"),
        }
        usual = ("", "", "", "", "", "", "pause", "pause", "stop")
        step = self.person.rng.choice(steps.get(RunState(run.state), usual))
        if step:
            self.person.did[f"{step} a run"] += 1
            self.post(f"/runs/{run.pk}/{step}/")
        else:
            self.person.get(f"/runs/{run.pk}/")
            self.person.get(f"/runs/{run.pk}/rows/", htmx=True)

    def decide(self, run: Run) -> None:
        if not find_form(self.person.get(f"/runs/{run.pk}/").text, "reason"):
            return  # Another operator was faster.
        step = "reject" if self.person.chance(0.2) else "approve"
        answer = self.post(f"/runs/{run.pk}/{step}/", {"reason": ["checked"]})
        where = answer.headers.get("Location", "") if answer else ""
        if "reauthenticate" in where and (
            form := find_form(self.person.get(where).text, "password")
        ):
            self.send(where, form.fields | {"password": self.person.password})
        elif answer:
            self.person.did[f"{step} a run"] += 1

    def collect(self, run: Run) -> None:
        """What an ended run has done; some are undone, and some repeated."""
        ips = self.addresses.pop(run.pk)
        entries = AuditEntry.objects.filter(run_id=run.pk)
        self.person.note_attempts(str(id) for id in entries.values_list("attempt_id", flat=True))
        is_undo = run.action == Action.ALLOCATE
        if not is_undo and self.person.chance(0.6):
            self.draft("drafted to put all back", f"/runs/{run.pk}/undo/", ips)
        elif self.person.chance(0.3):
            self.draft("drafted a retry", f"/runs/{run.pk}/retry/", ips)

    def post(self, url: str, fields: dict[str, list[str]] | None = None) -> httpx.Response | None:
        token = self.person.http.cookies.get(settings.CSRF_COOKIE_NAME) or ""
        return self.send(url, {"csrfmiddlewaretoken": [token], **(fields or {})})

    def send(
        self, url: str, fields: dict[str, str] | dict[str, list[str]]
    ) -> httpx.Response | None:
        """The answer; None if it was lost."""
        try:
            return self.person.request("POST", url, data=fields)
        except Lost:
            return None


def has_going_runs() -> bool:
    """Whether a worker still has something to do."""
    return Run.objects.filter(Q(state=RunState.QUEUED) | Q(state=RunState.RUNNING)).exists()


def recorded() -> list[records.Run]:
    """All runs, for the comparison."""
    steps: dict[str, list[AuditLink]] = defaultdict(list)
    for link in AuditLink.objects.filter(attempt_id=None).order_by("sequence"):
        if link.details and "run" in link.details:
            steps[link.details["run"]].append(link)
    return [
        records.Run(
            id=str(run.pk),
            action=run.action,
            state=run.state,
            user=run.user.username,
            items=tuple(_item(each) for each in run.items.all()),
            stop_reason=run.stop_reason,
            confirmed_at=run.confirmed_at,
            finished_at=run.finished_at,
            approval_rule=run.approval_rule,
            decided_by=run.decided_by.username if run.decided_by else "",
            decided_at=run.decided_at,
            pauses=_pauses(steps[str(run.pk)]),
            takeovers=sum(step.kind == LinkKind.RUN_TAKEN_OVER for step in steps[str(run.pk)]),
        )
        for run in Run.objects.select_related("user", "decided_by")
    ]


def _item(item: RunItem) -> records.RunItem:
    return records.RunItem(
        item.address_id,
        str(item.attempt_id),
        str(item.dns_attempt_id),
        item.allocation_id,
        not item.skip_reason,
    )


def _pauses(steps: list[AuditLink]) -> tuple[tuple[datetime, datetime | None], ...]:
    """From the activity of a run: each pause, and the step that has ended it."""
    ends: list[datetime | None] = [*(step.at for step in steps[1:]), None]
    return tuple(
        (step.at, end)
        for step, end in zip(steps, ends, strict=False)
        if step.kind == LinkKind.RUN_PAUSED
    )
