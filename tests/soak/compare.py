"""Compares the audit entries with the sandbox's log of requests and the changes of its world; see
`records.py`. Any difference is a bug. No input or output, so that it can be tested."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from tests.soak.records import Attempt, Change, Post, Read, Records, State

# What readings show of an attempt before and after it is carried out.
BEFORE = {"unallocate": "allocated", "allocate": "unallocated", "set_reverse_dns": "not_set"}
AFTER = {"unallocate": "unallocated", "allocate": "allocated", "set_reverse_dns": "set"}


@dataclass(slots=True)
class Matching:
    """Attempt id to POSTs, and the POSTs that match no entry, or several."""

    posts_of: dict[str, list[Post]]
    differences: list[str]

    def post_of(self, attempt: Attempt) -> Post | None:
        posts = self.posts_of.get(attempt.attempt_id)
        return posts[0] if posts else None


def compare(records: Records) -> list[str]:
    """All differences, as texts."""
    matching = match(records.posts, records.attempts)
    found = list(matching.differences)
    reads = {each.request_id: each for each in records.reads}
    for attempt in records.attempts:
        case = Case(attempt, matching.post_of(attempt), reads, records.interval)
        found += [f"{attempt}: {problem}" for problem in _outcome(case)]
    found += _readings(records)
    found += _competing(records.attempts)
    found += _kept(records)
    found += _world(records)
    return found


def match(posts: Iterable[Post], attempts: Iterable[Attempt]) -> Matching:
    """Match by Katapult's request id, or else by address, token, action and time, which are unique,
    because attempts of an operator on one address never overlap."""
    by_request = {each.katapult_request_id: each for each in attempts if each.katapult_request_id}
    by_target: dict[tuple[str, str, str], list[Attempt]] = defaultdict(list)
    for each in attempts:
        by_target[each.target].append(each)
    matching = Matching(defaultdict(list), [])
    for post in posts:
        named = by_request.get(post.request_id)
        candidates = [each for each in by_target[post.target] if each.could_have_sent(post)]
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
    """One entry, its POST, all readings by request id, and EVIDENCE_INTERVAL."""

    attempt: Attempt
    post: Post | None
    reads: dict[str, Read]
    interval: timedelta

    @property
    def acted_at(self) -> datetime | None:
        return self.post.acted_at if self.post else None

    @property
    def after(self) -> str:
        return AFTER[self.attempt.action]

    @property
    def found(self) -> list[str]:
        return [reading["found"] for reading in self.attempt.evidence]


def _outcome(case: Case) -> Iterator[str]:
    """Differences between the outcome of one entry, its POST and its readings."""
    attempt = case.attempt
    if case.post and case.acted_at and attempt.shown_by(case.post.state) != case.after:
        yield f"changed its address to {case.post.state}"
    if attempt.finished_at is None:
        yield "still open"
    elif attempt.outcome in OUTCOMES:
        yield from OUTCOMES[attempt.outcome](case)
        if (attempt.sent_at is None) != (attempt.outcome == "refused"):
            yield "was not sent" if attempt.sent_at is None else "was sent"
    else:
        yield "is finished without a final outcome"


def _succeeded(case: Case) -> Iterator[str]:
    attempt, acted_at = case.attempt, case.acted_at
    if acted_at is None:
        yield "did not happen"
    elif attempt.finished_at and acted_at > attempt.finished_at:
        yield "was finished before it happened"
    if attempt.basis == "answer":
        yield from _answered(case, "{}")
    elif case.after not in case.found:
        yield f"has no reading that found it {case.after}"
    if attempt.competing_attempts:
        yield "names a competing attempt"


def _failed(case: Case) -> Iterator[str]:
    if case.attempt.basis == "answer":
        if case.acted_at is not None:
            yield "did happen"
        yield from _answered(case, case.attempt.error_code)
    else:
        if case.acted_at is not None and not _acted_late(case, case.acted_at):
            yield "did happen"
        if not _was_found_unchanged_twice(case):
            yield "has no two readings far enough apart"
        if {case.after, "other", "gone"} & set(case.found):
            yield "has readings that disagree"


def _answered(case: Case, answer: str) -> Iterator[str]:
    if case.post is None:
        yield "has an answer without a POST"
    elif case.post.answer != answer or not answer:
        yield f"has the answer {answer or '?'}, but was answered {case.post.answer or '?'}"


def _acted_late(case: Case, acted_at: datetime) -> bool:
    """Whether the POST was carried out after the last reading began that found the address
    unchanged; then `failed` is correct as far as the readings go."""
    before = BEFORE[case.attempt.action]
    ids = [each["request_id"] for each in case.attempt.evidence if each["found"] == before]
    last = case.reads.get(ids[-1]) if ids else None
    return last is not None and last.received_at < acted_at


def _was_found_unchanged_twice(case: Case) -> bool:
    shown = [
        datetime.fromisoformat(reading["read_at"])
        for reading in case.attempt.evidence
        if reading["found"] == BEFORE[case.attempt.action]
    ]
    return len(shown) > 1 and max(shown) - min(shown) >= case.interval


def _refused(case: Case) -> Iterator[str]:
    if case.post is not None:
        yield "was received"


def _unknown(case: Case) -> Iterator[str]:
    if not why_unknown(case.attempt):
        yield "does not say why it is unknown"


OUTCOMES = {
    "succeeded": _succeeded,
    "failed": _failed,
    "refused": _refused,
    "unknown": _unknown,
}


def why_unknown(attempt: Attempt) -> str:
    """Why the outcome of an entry is `unknown`; empty when its evidence proves more."""
    found = [reading["found"] for reading in attempt.evidence]
    if attempt.basis != "evidence" or not found:
        return ""
    if "other" in found:
        return "allocated to something else in the meantime"
    if "gone" in found:
        return "a reading did not find it"
    if attempt.competing_attempts and AFTER[attempt.action] in found:
        return "another attempt could have done it"
    if attempt.competing_attempts and found[-1] == BEFORE[attempt.action]:
        return "another attempt could have hidden it"
    return "could not be read in time" if found[-1] == "unreadable" else ""


def _readings(records: Records) -> Iterator[str]:
    """Readings in entries that the sandbox did not receive, or that its world contradicts."""
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
                yield f"{attempt}: the reading that found it {found} was not made"
                continue
            if attempt.sent_at is None or read.received_at < attempt.sent_at:
                yield f"{attempt}: was read as {found} before it was sent"
            if not read.is_true:
                if found != "gone":
                    yield f"{attempt}: a fault was read as {found}"
            else:
                before = records.at_first[attempt.ip]
                states = _states(before, changes_of[attempt.ip], read)
                if found not in {attempt.shown_by(state) for state in states}:
                    yield f"{attempt}: was found {found}, but was {states}"
    yield from (f"reading {id} is in {count} entries" for id, count in used.items() if count > 1)


def _states(at_first: State, changes: list[Change], read: Read) -> set[State]:
    """The states that the address may have had while it was read."""
    before = [change for change in changes if change.at < read.received_at]
    during = [change for change in changes if read.received_at <= change.at <= read.answered_at]
    return {before[-1].state if before else at_first, *(change.state for change in during)}


def timelines(records: Records) -> dict[str, list[Change]]:
    """All changes of each address: by the soak, and by POSTs that were carried out."""
    changes = [
        *records.changes,
        *(Change(post.ip, post.state, post.acted_at) for post in records.posts if post.acted_at),
    ]
    found: dict[str, list[Change]] = defaultdict(list)
    for change in sorted(changes, key=lambda change: change.at):
        found[change.ip].append(change)
    return found


def _competing(attempts: list[Attempt]) -> Iterator[str]:
    by_id = {each.attempt_id: each for each in attempts}
    for attempt in attempts:
        for competing in attempt.competing_attempts:
            if competing not in by_id or by_id[competing].ip != attempt.ip:
                yield f"{attempt}: names {competing}, which is no competing attempt"


def _kept(records: Records) -> Iterator[str]:
    """Entries that are missing, and final outcomes that have changed."""
    outcomes = {each.attempt_id: each.outcome for each in records.attempts}
    if len(outcomes) != len(records.attempts):
        yield "an attempt has several entries"
    for attempt_id in records.attempt_ids - outcomes.keys():
        yield f"{attempt_id} is missing"
    for seen in records.observations:
        if seen.outcome != outcomes.get(seen.attempt_id):
            yield f"{seen.attempt_id} was {seen.outcome} and is {outcomes.get(seen.attempt_id)}"
    ids = sorted(each.id for each in records.attempts)
    if records.is_gapless and ids != list(range(1, len(ids) + 1)):
        yield f"the numbers of the entries have gaps: {len(ids)} up to {ids[-1] if ids else 0}"


def _world(records: Records) -> Iterator[str]:
    """Addresses whose state is not the result of all known changes."""
    changes_of = timelines(records)
    for ip, state in records.at_last.items():
        changes = changes_of[ip]
        expected = changes[-1].state if changes else records.at_first[ip]
        if state != expected:
            yield f"{ip} is {state} instead of {expected}"
