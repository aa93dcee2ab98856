"""What the sandbox knows to be true, against what the audit history says. Strict: any difference
is a bug to be understood. Nothing here reads or calls anything, so that it can be tested.

The truth is the sandbox's ledger of requests and the changes of its world; see `records.py`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from tests.soak.records import Attempt, Change, Post, Read, Records


@dataclass(slots=True)
class Matching:
    """Which entry each POST belongs to, and what was wrong about that."""

    posts_of: dict[str, list[Post]]
    differences: list[str]

    def post_of(self, attempt: Attempt) -> Post | None:
        posts = self.posts_of.get(attempt.attempt_id)
        return posts[0] if posts else None


def compare(records: Records) -> list[str]:
    """Every difference, in words. Empty is the only good answer."""
    matching = match(records.posts, records.attempts)
    found = list(matching.differences)
    reads = {each.request_id: each for each in records.reads}
    for attempt in records.attempts:
        case = Case(attempt, matching.post_of(attempt), reads, records.interval)
        found += [f"{attempt}: {problem}" for problem in _verdict(case)]
    found += _readings(records)
    found += _rivals(records.attempts)
    found += _kept(records)
    found += _world(records)
    return found


def match(posts: Iterable[Post], attempts: Iterable[Attempt]) -> Matching:
    """By Katapult's request id where the answer was read; else by address, token and time, which
    leaves no choice, because an operator's attempts on one address never overlap."""
    by_request = {each.katapult_request_id: each for each in attempts if each.katapult_request_id}
    by_target: dict[tuple[str, str], list[Attempt]] = defaultdict(list)
    for each in attempts:
        by_target[each.ip, each.token].append(each)
    matching = Matching(defaultdict(list), [])
    for post in posts:
        named = by_request.get(post.request_id)
        candidates = [each for each in by_target[post.ip, post.token] if each.could_have_sent(post)]
        if named and named not in candidates:
            matching.differences.append(f"POST {post.request_id} does not fit {named}, its entry")
        elif named:
            candidates = [named]
        if len(candidates) != 1:
            matching.differences.append(f"POST {post.request_id} has {len(candidates)} entries")
        for each in candidates[:1]:
            matching.posts_of[each.attempt_id].append(post)
    for attempt_id, sent in matching.posts_of.items():
        if len(sent) > 1:
            ids = ", ".join(post.request_id for post in sent)
            matching.differences.append(f"{attempt_id} was sent {len(sent)} times: {ids}")
    return matching


@dataclass(frozen=True, slots=True)
class Case:
    """One entry and what it is judged by: its POST, all readings by request id, the interval."""

    attempt: Attempt
    post: Post | None
    reads: dict[str, Read]
    interval: timedelta

    @property
    def acted_at(self) -> datetime | None:
        return self.post.acted_at if self.post else None

    @property
    def found(self) -> list[str]:
        return [reading["found"] for reading in self.attempt.evidence]


def _verdict(case: Case) -> Iterator[str]:
    """How the outcome of one entry disagrees with its POST and its readings."""
    attempt = case.attempt
    if attempt.finished_at is None:
        yield "still open"
    elif attempt.outcome in VERDICTS:
        yield from VERDICTS[attempt.outcome](case)
        if (attempt.sent_at is None) != (attempt.outcome == "refused"):
            yield "was not sent" if attempt.sent_at is None else "was sent"
    else:
        yield "has ended with no outcome"


def _succeeded(case: Case) -> Iterator[str]:
    attempt, acted_at = case.attempt, case.acted_at
    if acted_at is None:
        yield "did not happen"
    elif attempt.finished_at and acted_at > attempt.finished_at:
        yield "was said before it happened"
    if attempt.basis == "answer":
        yield from _answered(case, "{}")
    elif "unallocated" not in case.found:
        yield "rests on no reading that found it unallocated"
    if attempt.competing_attempts:
        yield "names another attempt that could have done it"


def _failed(case: Case) -> Iterator[str]:
    if case.attempt.basis == "answer":
        if case.acted_at is not None:
            yield "did happen"
        yield from _answered(case, case.attempt.error_code)
    else:
        if case.acted_at is not None and not _acted_late(case, case.acted_at):
            yield "did happen"
        if not _was_found_allocated_twice(case):
            yield "rests on no two readings far enough apart"
        if {"unallocated", "other", "gone"} & set(case.found):
            yield "rests on readings that disagree"


def _answered(case: Case, answer: str) -> Iterator[str]:
    if case.post is None:
        yield "rests on an answer to nothing"
    elif case.post.answer != answer or not answer:
        yield f"rests on {answer or '?'}, but was answered {case.post.answer or '?'}"


def _acted_late(case: Case, acted_at: datetime) -> bool:
    """Whether the POST acted only after the last reading that found the address allocated began:
    the entry says that much, and no more."""
    ids = [each["request_id"] for each in case.attempt.evidence if each["found"] == "allocated"]
    last = case.reads.get(ids[-1]) if ids else None
    return last is not None and last.received_at < acted_at


def _was_found_allocated_twice(case: Case) -> bool:
    shown = [
        datetime.fromisoformat(reading["read_at"])
        for reading in case.attempt.evidence
        if reading["found"] == "allocated"
    ]
    return len(shown) > 1 and max(shown) - min(shown) >= case.interval


def _refused(case: Case) -> Iterator[str]:
    if case.post is not None:
        yield "was received"


def _unknown(case: Case) -> Iterator[str]:
    if not why_unknown(case.attempt):
        yield "does not say why it is unknown"


VERDICTS = {
    "succeeded": _succeeded,
    "failed": _failed,
    "refused": _refused,
    "unknown": _unknown,
}


def why_unknown(attempt: Attempt) -> str:
    """What an entry that stayed unknown says for itself; nothing if its evidence tells more."""
    found = [reading["found"] for reading in attempt.evidence]
    if attempt.basis != "evidence" or not found:
        return ""
    if "other" in found:
        return "allocated to something else meanwhile"
    if "gone" in found:
        return "an answer said that it is gone"
    if attempt.competing_attempts and "unallocated" in found:
        return "another attempt could have done it"
    return "could not be read in time" if found[-1] == "unreadable" else ""


def _readings(records: Records) -> Iterator[str]:
    """Readings kept as evidence that nobody made, or that the world contradicts."""
    reads = {each.request_id: each for each in records.reads}
    changes_of = timelines(records)
    used: Counter[str] = Counter()
    for attempt in records.attempts:
        for reading in attempt.evidence:
            found, request_id = reading["found"], reading["request_id"] or ""
            if found == "unreadable":
                continue
            used[request_id] += 1
            read = reads.get(request_id)
            if read is None or read.ip != attempt.ip:
                yield f"{attempt}: nobody made the reading that found it {found}"
                continue
            if attempt.sent_at is None or read.received_at < attempt.sent_at:
                yield f"{attempt}: was read as {found} before it was sent"
            if not read.told_truth:
                if found != "gone":
                    yield f"{attempt}: a fault was read as {found}"
            else:
                before = records.at_first.get(attempt.ip)
                holders = _holders(before, changes_of[attempt.ip], read)
                if found not in {_found(attempt, holder) for holder in holders}:
                    yield f"{attempt}: was found {found}, but was held by {holders}"
    yield from (f"reading {id} was kept {count} times" for id, count in used.items() if count > 1)


def _found(attempt: Attempt, holder: str | None) -> str:
    if holder is None:
        return "unallocated"
    return "allocated" if holder == attempt.holder else "other"


def _holders(at_first: str | None, changes: list[Change], read: Read) -> set[str | None]:
    """Everybody who can have held the address while it was read."""
    before = [change for change in changes if change.at < read.received_at]
    during = [change for change in changes if read.received_at <= change.at <= read.answered_at]
    return {before[-1].holder if before else at_first, *(change.holder for change in during)}


def timelines(records: Records) -> dict[str, list[Change]]:
    """All changes of each address: those of the harness, and those of the POSTs that acted."""
    changes = [
        *records.changes,
        *(Change(post.ip, None, post.acted_at) for post in records.posts if post.acted_at),
    ]
    found: dict[str, list[Change]] = defaultdict(list)
    for change in sorted(changes, key=lambda change: change.at):
        found[change.ip].append(change)
    return found


def _rivals(attempts: list[Attempt]) -> Iterator[str]:
    by_id = {each.attempt_id: each for each in attempts}
    for attempt in attempts:
        for competing in attempt.competing_attempts:
            if competing not in by_id or by_id[competing].ip != attempt.ip:
                yield f"{attempt}: names {competing}, which could not have done it"


def _kept(records: Records) -> Iterator[str]:
    """Entries that vanished, and outcomes that were shown and are others now."""
    outcomes = {each.attempt_id: each.outcome for each in records.attempts}
    if len(outcomes) != len(records.attempts):
        yield "an attempt has several entries"
    for attempt_id in records.told - outcomes.keys():
        yield f"{attempt_id} has vanished"
    for seen in records.observations:
        if seen.outcome != outcomes.get(seen.attempt_id):
            yield f"{seen.attempt_id} was {seen.outcome} and is {outcomes.get(seen.attempt_id)}"
    ids = sorted(each.id for each in records.attempts)
    if records.is_gapless and ids != list(range(1, len(ids) + 1)):
        yield f"the numbers of the entries have gaps: {len(ids)} up to {ids[-1] if ids else 0}"


def _world(records: Records) -> Iterator[str]:
    """What all known changes lead to must be what the world is; else something is not recorded."""
    changes_of = timelines(records)
    for ip, holder in records.at_last.items():
        changes = changes_of[ip]
        expected = changes[-1].holder if changes else records.at_first.get(ip)
        if holder != expected:
            yield f"{ip} is held by {holder}, but should be by {expected}"
