"""What a soak was like, in numbers."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator

from tests.soak.chaos import Stage
from tests.soak.compare import match, timelines, why_unknown
from tests.soak.operators import Shared
from tests.soak.records import Records


def figures(records: Records, shared: Shared, stage: Stage) -> Iterator[str]:
    attempts, posts = records.attempts, records.posts
    yield f"\nDuration              {time.monotonic() - shared.begun:.0f} s"
    yield f"Attempts              {len(attempts)}: {_told(each.outcome for each in attempts)}"
    yield f"Resting on            {_told(each.basis for each in attempts)}"
    yield f"Refused because       {_told(e.error_code for e in attempts if e.outcome == 'refused')}"
    unknown = [each for each in attempts if each.outcome == "unknown"]
    yield f"Stayed unknown        {len(unknown)}: {_told(why_unknown(each) for each in unknown)}"
    acted = sum(post.acted_at is not None for post in posts)
    yield f"POSTs received        {len(posts)}, of which {acted} changed the world"
    yield f"Acted late            {_late(records)}"
    yield f"Sent, never received  {_unreceived(records)}"
    yield f"Freed somebody else   {_astray(records)} (changed between the last look and the act)"
    interrupted = sum(each.error_code == "interrupted" for each in attempts)
    reconciled = sum(bool(each.evidence) for each in attempts)
    yield f"Closed later          {reconciled} by reading the address, {interrupted} as never sent"
    yield f"Given out again       {len(records.changes)} times"
    yield f"Faults                {_told(records.faults)}"
    yield f"Kills                 {_told(stage.killed.elements())}"
    yield f"Operators             {_told(shared.did.elements())}"
    yield f"Pages                 {_told(map(str, shared.statuses.elements()))}"
    took, page = shared.slowest
    yield f"Slowest page          {took:.1f} s, {page}\n"


def _told(things: Iterable[str] | Counter[str]) -> str:
    counted = Counter(things).most_common()
    return ", ".join(f"{count} {thing or '(none)'}" for thing, count in counted) or "none"


def _late(records: Records) -> str:
    """POSTs that acted after their connection had closed, and those whose entry had finished."""
    closed = sum(post.fault == "late" and post.acted_at is not None for post in records.posts)
    matching = match(records.posts, records.attempts)
    finished = [
        str(each.outcome)
        for each in records.attempts
        if (post := matching.post_of(each)) and post.acted_at and each.finished_at
        if post.acted_at > each.finished_at
    ]
    return (
        f"{closed} after the connection had closed, "
        f"{len(finished)} after the entry had finished ({_told(finished)})"
    )


def _unreceived(records: Records) -> int:
    """Entries marked as sent by a process that died before it sent anything."""
    matching = match(records.posts, records.attempts)
    sent = [each for each in records.attempts if each.sent_at]
    return sum(matching.post_of(each) is None for each in sent)


def _astray(records: Records) -> int:
    """POSTs that freed the address from somebody else than was confirmed: the API has no way to
    ask for more, and this is why the entry says what was confirmed, and not what was freed."""
    posts_of = match(records.posts, records.attempts).posts_of
    changes_of = timelines(records)
    count = 0
    for attempt in records.attempts:
        for post in posts_of.get(attempt.attempt_id, []):
            before = records.at_first.get(attempt.ip)
            for change in changes_of[attempt.ip]:
                if post.acted_at is None or change.at >= post.acted_at:
                    break
                before = change.holder
            count += post.acted_at is not None and before != attempt.holder
    return count
