"""A run that was started, in words: its state, its progress, its rows, and a summary of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from django.db.models import Q
from django.urls import reverse
from django.utils.http import urlencode

from ipadmin.models import Action, AuditEntry, Outcome, Run, RunState, SkipReason
from ipadmin.services.runs import BY_PERSON, LEFT_OUT, NOT_ATTEMPTED, WAITING, Progress, RunRow
from ipadmin.ui import run_texts, tickets, time_zones
from ipadmin.ui.components import Badge, Fact
from ipadmin.ui.error_messages import WORDS
from ipadmin.ui.markup import outcome_name

BADGES = {
    RunState.DRAFT: Badge("neutral", "pencil", "Not confirmed"),
    RunState.WAITING: Badge("warning", "hourglass", "Waiting for approval"),
    RunState.QUEUED: Badge("info", "clock", "Queued"),
    RunState.RUNNING: Badge("info", "loader-circle", "Running"),
    RunState.PAUSED: Badge("warning", "pause", "Paused"),
    RunState.FINISHED: Badge("success", "circle-check", "Finished"),
    RunState.STOPPED: Badge("danger", "octagon-x", "Stopped"),
    RunState.REJECTED: Badge("danger", "ban", "Rejected"),
    RunState.EXPIRED: Badge("neutral", "timer-off", "Expired"),
}
# Of addresses without an entry.
NO_ENTRY = {
    WAITING: Badge("neutral", "circle-dashed", "Waiting"),
    NOT_ATTEMPTED: Badge("neutral", "minus", "Not attempted"),
    LEFT_OUT: Badge("neutral", "minus", "Left out"),
}
TONES = {
    Outcome.SUCCEEDED: "success",
    Outcome.FAILED: "danger",
    Outcome.REFUSED: "refused",
    Outcome.UNKNOWN: "warning",
    Outcome.PENDING: "info",
}
STATES = [*Outcome.values[1:], Outcome.PENDING.value, *NO_ENTRY]
# Codes of `stop_reason` that are no error codes.
STOP_REASONS = {
    BY_PERSON: "A person stopped it.",
    "unknown_outcomes": "Too many outcomes in a row were unknown. Check Katapult, then retry.",
    "internal_error": "An internal error occurred. Ask the administrator of this site.",
    "token_deleted": "Its token was deleted.",
    "owner_disabled": "The account of its owner was disabled.",
    "not_permitted": "Its owner is no longer an operator.",
    "another_api": "This site now uses another Katapult API.",
}
NO_WORKER = (
    "The background worker is not running, so nothing is carried out. The run continues when it "
    "is started."
)
# Addresses that a summary lists.
MOST_IN_TICKET = 100


class BarPart(NamedTuple):
    """A part of the progress bar, in percent."""

    start: float
    width: float
    tone: str


class Shown(NamedTuple):
    """The head of a run's page. `announcement` is for screen readers."""

    badge: Badge
    headline: str
    remaining: str
    note: str
    bar: list[BarPart]
    counts: str
    announcement: str
    export_url: str


class Tab(NamedTuple):
    name: str
    text: str
    number: int
    url: str
    is_chosen: bool


class Line(NamedTuple):
    """An address of a run and what became of it. Without a `badge` it has that of its outcome."""

    row: RunRow
    holder: str
    badge: Badge | None
    note: str
    url: str


class RunStep(NamedTuple):
    """A button that sends a POST to `url`."""

    name: str
    text: str
    icon: str
    url: str


def shown(run: Run, progress: Progress) -> Shown:
    badge = BADGES[RunState(run.state)]
    if run.state == RunState.FINISHED and progress.outcomes.get("succeeded") != progress.total:
        badge = badge._replace(tone="warning", icon="triangle-alert")
    return Shown(
        badge,
        headline(run, progress),
        remaining(run, progress),
        note(run, progress),
        [*bar(progress)],
        counts(progress),
        announcement(run, progress),
        history_url(run, "audit_export"),
    )


def steps(
    run: Run, progress: Progress, *, is_own: bool, may_stop: bool, may_repeat: bool
) -> Iterator[RunStep]:
    """What can be done with a run now."""

    def step(name: str, text: str, icon: str) -> RunStep:
        return RunStep(name, text, icon, reverse(f"run_{name}", args=[run.pk]))

    if run.state in {RunState.QUEUED, RunState.RUNNING} and may_stop:
        yield step("pause", "Pause", "pause")
    if run.state == RunState.PAUSED and is_own:
        yield step("resume", "Resume", "play")
    if run.is_active and may_stop:
        yield step("stop", "Stop", "square")
    if not (run.has_ended and may_repeat):
        return
    outcomes = progress.outcomes
    failed = outcomes.get(Outcome.FAILED, 0) + outcomes.get(Outcome.REFUSED, 0) + progress.waiting
    if failed:
        which = "other" if progress.waiting else "failed"
        yield step("retry", f"Retry the {which} {failed:,}…", "rotate-ccw")
    if run.action == Action.UNALLOCATE and outcomes.get(Outcome.SUCCEEDED):
        yield step("undo", "Put all back…", "undo-2")


def headline(run: Run, progress: Progress) -> str:
    """How far a run is, or what came of it."""
    done, total = progress.outcomes.get(Outcome.SUCCEEDED, 0), progress.total
    if run.is_active:
        return f"{progress.done:,} of {total:,} done"
    if run.state == RunState.REJECTED:
        by = run.decided_by.display_name if run.decided_by else "another operator"
        return f"Rejected by {by}. Nothing was changed."
    if run.state == RunState.EXPIRED:
        return "Nobody approved it in time. Nothing was changed."
    if done == total:
        return f"All {total:,} succeeded" if total > 1 else "It succeeded"
    return f"{done:,} of {total:,} succeeded"


def remaining(run: Run, progress: Progress) -> str:
    if run.state == RunState.PAUSED or progress.seconds_left is None:
        return ""
    return f"about {run_texts.seconds(progress.seconds_left)} left"


def note(run: Run, progress: Progress) -> str:
    """Why it does not go on, or why it ended."""
    if run.state == RunState.STOPPED:
        return stop_reason(run)
    if run.state == RunState.REJECTED:
        return run.decision_reason
    going = run.state in {RunState.QUEUED, RunState.RUNNING}
    return NO_WORKER if going and not progress.worker_is_running else ""


def stop_reason(run: Run) -> str:
    """Why a run stopped, in one sentence or two."""
    code = run.stop_reason
    if text := STOP_REASONS.get(code):
        return text
    words = WORDS.get(code)
    return f"{words.title}. {words.what_now}" if words else f"Katapult answered: {code}."


def announcement(run: Run, progress: Progress) -> str:
    """For screen readers: not each step of a run, but its end."""
    badge = BADGES[RunState(run.state)]
    return f"{badge.text}. {headline(run, progress)}" if run.has_ended else badge.text


def bar(progress: Progress) -> Iterator[BarPart]:
    start = 0.0
    for outcome, tone in TONES.items():
        if number := progress.outcomes.get(outcome):
            width = 100 * number / progress.total
            yield BarPart(start, width, tone)
            start += width


def counts(progress: Progress) -> str:
    """`8 succeeded, 1 failed, 1 waiting`."""
    parts = [f"{progress.outcomes[each]:,} {each}" for each in TONES if each in progress.outcomes]
    if progress.waiting:
        parts.append(f"{progress.waiting:,} not attempted")
    return ", ".join(parts)


def tabs(rows: Sequence[RunRow], chosen: str) -> list[Tab]:
    """One for each state that occurs."""
    found = Counter(row.state for row in rows)
    tabs = [Tab("all", "All", len(rows), "?", not chosen)]
    for state in STATES:
        if number := found[state]:
            text = NO_ENTRY[state].text if state in NO_ENTRY else outcome_name(state)
            tabs.append(Tab(state, text, number, f"?state={state}", state == chosen))
    return tabs


def line(row: RunRow) -> Line:
    item, entry = row.item, row.entry
    holder = item.allocation_name or item.allocation_id
    url = entry.get_absolute_url() if entry else ""
    return Line(row, holder, NO_ENTRY.get(row.state), _note(row), url)


def _note(row: RunRow) -> str:
    if row.item.skip_reason:
        return run_texts.SKIPPED[SkipReason(row.item.skip_reason)]
    notes = [_why(row.entry) if row.entry else ""]
    if row.dns_entry:
        name, why = outcome_name(row.dns_entry.outcome).lower(), _why(row.dns_entry)
        notes.append(why if "reverse DNS" in why else f"Reverse DNS {name}{why and ': '}{why}")
    return ". ".join(filter(None, notes))


def _why(entry: AuditEntry) -> str:
    """The error of an entry, in words."""
    words = WORDS.get(entry.error_code)
    return words.title if words else entry.error_code


def details(run: Run) -> Iterator[Fact]:
    """Who, when, and what it has to do with other runs."""
    yield Fact("Person", run.user.display_name)
    yield Fact("Reason", tickets.linked(run.reason), none="None given")
    yield Fact("Confirmed", at=run.confirmed_at)
    if run.decided_by and run.decided_at:
        text = "Rejected" if run.state == RunState.REJECTED else "Approved"
        yield Fact(f"{text} by", run.decided_by.display_name, note=run.decision_reason)
        yield Fact(text, at=run.decided_at)
    yield Fact("Started", at=run.started_at, none="Not yet" if run.is_active else "Never")
    yield Fact("Ended", at=run.finished_at, none="Not yet")
    links = [("Puts back", run.undoes_id), ("Retries", run.retries_id)]
    later = Run.objects.filter(Q(undoes=run) | Q(retries=run)).exclude(state=RunState.DRAFT)
    for id, undoes in later.values_list("id", "undoes"):
        links.append(("Put back by" if undoes == run.pk else "Retried by", id))
    yield from (Fact(label, "Run", url=reverse("run", args=[id])) for label, id in links if id)
    yield Fact("Attempts", "In the history", url=history_url(run))
    yield Fact("Token", run.token_label)
    yield Fact("Run ID", code=str(run.pk))


def history_url(run: Run, page: str = "audit") -> str:
    """The attempts of a run in the history, or as an export."""
    return f"{reverse(page)}?{urlencode({'run': str(run.pk), 'when': 'all'})}"


def ticket(run: Run, progress: Progress, rows: Sequence[RunRow], url: str) -> str:
    """A run as text for a ticket. `url` is that of its page."""
    parts = [row for row in rows if not row.item.skip_reason]
    at = time_zones.text_of(run.finished_at or run.confirmed_at or run.created_at)
    by = f"By {run.user.display_name} at {at}"
    if run.decided_by:
        by += f", decided by {run.decided_by.display_name}"
    lines = [
        f"{run_texts.title(run, [row.item for row in parts])}: {run.get_state_display().lower()}",
        counts(progress),
        f"Organization: {run.organization_title}",
        by,
        f"Reason: {run.reason}" if run.reason else "",
        *(_ticket_line(row) for row in parts[:MOST_IN_TICKET]),
        f"… and {len(parts) - MOST_IN_TICKET:,} more" if len(parts) > MOST_IN_TICKET else "",
        f"Run: {url}",
    ]
    return "\n".join(filter(None, lines))


def _ticket_line(row: RunRow) -> str:
    shown = line(row)
    text = shown.badge.text.lower() if shown.badge else row.state
    note = f" ({shown.note})" if shown.note else ""
    return f"{row.item} {shown.holder}: {text}{note}"
