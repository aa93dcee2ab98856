"""Compares undos with what they undo, and the audit entries of runs with what was confirmed,
approved, paused and stopped. Any difference is a bug. No input or output."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta

from tests.soak.records import Attempt, Records, Run, RunItem

LIMIT_REACHED = "rate_limit_reached"
MAX_TRIES = 3
# Runs of more addresses need an approval: APPROVALS in `environment.py`.
ABOVE = 4
# States at the end. Operators leave some runs paused, waiting or not confirmed.
FINISHED, NOT_STARTED = "finished", {"draft", "waiting", "rejected", "expired"}
AT_THE_END = {FINISHED, "stopped", "paused", *NOT_STARTED}
# An address in hand is finished after its run was paused or stopped: two calls of 0.9 s, and waits
# for the database.
IN_HAND = timedelta(seconds=6)


def compare_runs(records: Records) -> list[str]:
    """All differences, as texts."""
    by_run: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in records.attempts:
        by_run[attempt.run_id].append(attempt)
    found = list(_undos(records.attempts))
    for run in records.runs:
        attempts = by_run.pop(run.id, [])
        problems = [*_state(run, attempts), *_approval(run, attempts)]
        problems += [*_addresses(run, attempts), *_times(run, attempts)]
        found += [f"{run}: {problem}" for problem in problems]
    by_run.pop("", None)
    return [*found, *(f"run {id} is missing" for id in by_run)]


def _undos(attempts: list[Attempt]) -> Iterator[str]:
    """Attempts that undo another one, and those that do not."""
    by_id = {each.attempt_id: each for each in attempts}
    allocated: dict[str, list[Attempt]] = defaultdict(list)
    for each in attempts:
        if each.action == "allocate" and each.outcome == "succeeded":
            allocated[each.undoes].append(each)
    for each in attempts:
        undone = by_id.get(each.undoes)
        if each.action == "unallocate":
            if each.undoes:
                yield f"{each}: undoes {each.undoes}"
            continue
        if undone is None or undone.ip != each.ip or undone.action != "unallocate":
            yield f"{each}: undoes no unallocation of its address"
        elif undone.outcome != "succeeded":
            yield f"{each}: undoes {undone}"
        elif undone.holder != each.holder:
            yield f"{each}: is not about the machine that had the address"
        if each.action == "set_reverse_dns" and not any(
            before.token == each.token and before.finished_at <= each.created_at
            for before in allocated[each.undoes]
            if before.finished_at
        ):
            yield f"{each}: the address was not allocated before"


def _state(run: Run, attempts: list[Attempt]) -> Iterator[str]:
    if run.state not in AT_THE_END:
        yield "has not ended"
    if run.state == "stopped" and not run.stop_reason:
        yield "does not say why it was stopped"
    if run.state in NOT_STARTED and attempts:
        yield f"has {len(attempts)} attempts"
    if run.state == FINISHED:
        made = {each.attempt_id for each in attempts}
        missing = [item.ip for item in run.items if item.is_part and item.attempt_id not in made]
        if missing:
            yield f"has no attempts on {missing}"


def _approval(run: Run, attempts: list[Attempt]) -> Iterator[str]:
    is_needed = sum(item.is_part for item in run.items) > ABOVE
    if run.state == "draft":
        return
    if is_needed != (run.approval_rule == "size"):
        yield f"has the approval rule {run.approval_rule or '(none)'}"
    if not is_needed:
        if run.decided_by:
            yield "was decided on"
        return
    if run.decided_by == run.user:
        yield "was decided on by its owner"
    if run.decided_at is None and attempts:
        yield "was not approved"
    if run.decided_at and any(each.created_at < run.decided_at for each in attempts):
        yield "was carried out before it was approved"


def _addresses(run: Run, attempts: list[Attempt]) -> Iterator[str]:
    """Each address has one attempt of each action, and others before it only with a 429."""
    items = {item.ip: item for item in run.items if item.is_part}
    by_target: dict[tuple[str, str], list[Attempt]] = defaultdict(list)
    for each in attempts:
        by_target[each.ip, each.action].append(each)
    for (ip, action), made in by_target.items():
        item = items.get(ip)
        if item is None:
            yield f"has attempts on {ip}, which is not part of it"
            continue
        if action not in {run.action, "set_reverse_dns"}:
            yield f"has an attempt to {action} {ip}"
        yield from _tries(item, action, sorted(made, key=lambda each: each.id))


def _tries(item: RunItem, action: str, made: list[Attempt]) -> Iterator[str]:
    *before, last = made
    if len(made) > MAX_TRIES:
        yield f"has {len(made)} attempts to {action} {item.ip}"
    if any(each.error_code != LIMIT_REACHED or each.outcome != "failed" for each in before):
        yield f"was repeated on {item.ip} without a 429"
    current = item.dns_attempt_id if action == "set_reverse_dns" else item.attempt_id
    is_next = last.error_code == LIMIT_REACHED and len(made) < MAX_TRIES
    if last.attempt_id != current and not is_next:
        yield f"has another attempt on {item.ip} than {current}"
    if any(each.holder != item.holder for each in made):
        yield f"has attempts on {item.ip} that are not about {item.holder}"


def _times(run: Run, attempts: list[Attempt]) -> Iterator[str]:
    """Attempts before the confirmation, in a pause, or after the end."""
    if attempts and (
        run.confirmed_at is None or min(each.created_at for each in attempts) < run.confirmed_at
    ):
        yield "was carried out before it was confirmed"
    for begin, end in run.pauses:
        for each in attempts:
            if begin + IN_HAND < each.created_at and (end is None or each.created_at < end):
                yield f"{each} was made while it was paused"
    for each in attempts:
        if run.finished_at and each.created_at > run.finished_at + IN_HAND:
            yield f"{each} was made after its end"
