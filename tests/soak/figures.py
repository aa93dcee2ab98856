"""The statistics of a soak."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator

from tests.soak.chaos import Stage
from tests.soak.compare import match, timelines, why_unknown
from tests.soak.person import Shared
from tests.soak.records import Records


def figures(records: Records, shared: Shared, stage: Stage) -> Iterator[str]:
    attempts, posts = records.attempts, records.posts
    yield f"\nDuration              {time.monotonic() - shared.begun:.0f} s"
    yield f"Attempts              {len(attempts)}: {_counts(each.outcome for each in attempts)}"
    yield f"Actions               {_counts(each.action for each in attempts)}"
    yield f"Basis                 {_counts(each.basis for each in attempts)}"
    refused = [each.error_code for each in attempts if each.outcome == "refused"]
    yield f"Refused because       {_counts(refused)}"
    unknown = [each for each in attempts if each.outcome == "unknown"]
    yield f"Stayed unknown        {len(unknown)}: {_counts(why_unknown(each) for each in unknown)}"
    acted = sum(post.acted_at is not None for post in posts)
    yield f"POSTs received        {len(posts)}, of which {acted} changed the world"
    yield f"Carried out late      {_late(records)}"
    yield f"Sent, never received  {_unreceived(records)}"
    yield f"Other allocation      {_astray(records)} (changed between the check and the call)"
    interrupted = sum(each.error_code == "interrupted" for each in attempts)
    reconciled = sum(bool(each.evidence) for each in attempts)
    yield f"Finished later        {reconciled} by evidence, {interrupted} as never sent"
    yield f"Allocated again       {len(records.changes)} times"
    yield f"Faults                {_counts(records.faults)}"
    yield f"Runs                  {len(records.runs)}: {_counts(_run_states(records))}"
    yield f"Runs taken over       {sum(run.takeovers for run in records.runs)} times"
    yield f"Kills                 {_counts(stage.killed.elements())}"
    yield f"Operators             {_counts(shared.did.elements())}"
    yield f"Pages                 {_counts(map(str, shared.statuses.elements()))}"
    took, page = shared.slowest
    yield f"Slowest page          {took:.1f} s, {page}\n"


def _run_states(records: Records) -> Iterator[str]:
    for run in records.runs:
        yield f"{run.state} by {run.stop_reason}" if run.stop_reason else run.state


def _counts(things: Iterable[str] | Counter[str]) -> str:
    counted = Counter(things).most_common()
    return ", ".join(f"{count} {thing or '(none)'}" for thing, count in counted) or "none"


def _late(records: Records) -> str:
    """POSTs that were carried out after their connection ended, or their entry was finished."""
    closed = sum(post.fault == "late" and post.acted_at is not None for post in records.posts)
    matching = match(records.posts, records.attempts)
    finished = [
        str(each.outcome)
        for each in records.attempts
        if (post := matching.post_of(each)) and post.acted_at and each.finished_at
        if post.acted_at > each.finished_at
    ]
    return (
        f"{closed} after the connection ended, "
        f"{len(finished)} after the entry was finished ({_counts(finished)})"
    )


def _unreceived(records: Records) -> int:
    """Entries with `sent_at` whose process died before it sent anything."""
    matching = match(records.posts, records.attempts)
    sent = [each for each in records.attempts if each.sent_at]
    return sum(matching.post_of(each) is None for each in sent)


def _astray(records: Records) -> int:
    """POSTs that ended another allocation than the confirmed one. The API has no precondition that
    prevents this, so an entry says what was confirmed."""
    posts_of = match(records.posts, records.attempts).posts_of
    changes_of = timelines(records)
    count = 0
    for attempt in records.attempts:
        for post in posts_of.get(attempt.attempt_id, []):
            before = records.at_first[attempt.ip].holder
            for change in changes_of[attempt.ip]:
                if post.acted_at is None or change.at >= post.acted_at:
                    break
                before = change.state.holder
            confirmed = None if attempt.action == "allocate" else attempt.holder
            count += post.acted_at is not None and before != confirmed
    return count
