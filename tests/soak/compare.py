"""What the sandbox knows to be true, against what the audit history says. Strict: any difference
is a bug to be understood. Nothing here reads or calls anything, so that it can be tested.

The truth is the sandbox's ledger of requests and the changes of its world; see `records.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Post:
    """An unallocate POST that the sandbox received, and when it changed the world, if it did.

    `token` is the ledger's short fingerprint: the first eight digits of the product's.
    """

    request_id: str
    ip: str
    token: str
    received_at: datetime
    acted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """A reading of one address that the sandbox received; `told_truth` unless a fault answered."""

    request_id: str
    ip: str
    received_at: datetime
    answered_at: datetime
    told_truth: bool = True


@dataclass(frozen=True, slots=True)
class Change:
    """The address got another holder, None for nobody."""

    ip: str
    holder: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Attempt:
    """An audit entry."""

    id: int
    attempt_id: str
    ip: str
    token: str
    outcome: str
    basis: str
    created_at: datetime
    sent_at: datetime | None
    finished_at: datetime | None
    holder: str = ""  # as confirmed
    error_code: str = ""
    katapult_request_id: str = ""
    evidence: tuple[dict[str, str], ...] = ()
    rivals: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.attempt_id} (no. {self.id}, {self.outcome} by {self.basis or '?'})"

    def could_have_sent(self, post: Post) -> bool:
        if self.sent_at is None or (self.ip, self.token) != (post.ip, post.token):
            return False
        return self.sent_at <= post.received_at <= (self.finished_at or post.received_at)


@dataclass(frozen=True, slots=True)
class Sighting:
    """A finished outcome that an operator was shown."""

    attempt_id: str
    outcome: str


@dataclass(slots=True)
class Records:
    posts: list[Post] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    sightings: list[Sighting] = field(default_factory=list)
    # Attempts that an operator was told of by id.
    told: set[str] = field(default_factory=set)
    # Who held each shared address at first, and who does at last.
    at_first: dict[str, str | None] = field(default_factory=dict)
    at_last: dict[str, str | None] = field(default_factory=dict)
    # SQLite numbers entries without a gap; PostgreSQL skips a number at each refused insert.
    is_gapless: bool = False


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
    for attempt in records.attempts:
        post = matching.post_of(attempt)
        found += [f"{attempt}: {problem}" for problem in _verdict(attempt, post)]
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


def _verdict(attempt: Attempt, post: Post | None) -> Iterator[str]:
    """How the outcome of one entry disagrees with its POST."""
    if attempt.finished_at is None:
        yield "still open"
    elif attempt.outcome in VERDICTS:
        yield from VERDICTS[attempt.outcome](attempt, post, attempt.finished_at)
        if (attempt.sent_at is None) != (attempt.outcome == "refused"):
            yield "was not sent" if attempt.sent_at is None else "was sent"
    else:
        yield "has ended with no outcome"


def _succeeded(_: Attempt, post: Post | None, finished_at: datetime) -> Iterator[str]:
    if post is None or post.acted_at is None:
        yield "did not happen"
    elif post.acted_at > finished_at:
        yield "was said before it happened"


def _failed(attempt: Attempt, post: Post | None, _: datetime) -> Iterator[str]:
    if post is not None and post.acted_at is not None:
        yield "did happen"
    if post is None and attempt.basis == "answer":
        yield "rests on an answer to nothing"


def _refused(_: Attempt, post: Post | None, __: datetime) -> Iterator[str]:
    if post is not None:
        yield "was received"


def _unknown(attempt: Attempt, _: Post | None, __: datetime) -> Iterator[str]:
    if not why_unknown(attempt):
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
    if attempt.rivals and "unallocated" in found:
        return "another attempt could have done it"
    return "could not be read in time" if found[-1] == "unreadable" else ""


def _readings(records: Records) -> Iterator[str]:
    """Readings kept as evidence that nobody made, or that the world contradicts."""
    reads = {each.request_id: each for each in records.reads}
    changes_of = timelines(records)
    for attempt in records.attempts:
        for reading in attempt.evidence:
            found = reading["found"]
            if found == "unreadable":
                continue
            read = reads.get(reading["request_id"] or "")
            if read is None or read.ip != attempt.ip:
                yield f"{attempt}: nobody made the reading that found it {found}"
            elif not read.told_truth:
                if found != "gone":
                    yield f"{attempt}: a fault was read as {found}"
            else:
                before = records.at_first.get(attempt.ip)
                holders = _holders(before, changes_of[attempt.ip], read)
                if found not in {_found(attempt, holder) for holder in holders}:
                    yield f"{attempt}: was found {found}, but was held by {holders}"


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
        for rival in attempt.rivals:
            if rival not in by_id or by_id[rival].ip != attempt.ip:
                yield f"{attempt}: names {rival}, which could not have done it"


def _kept(records: Records) -> Iterator[str]:
    """Entries that vanished, and outcomes that were shown and are others now."""
    outcomes = {each.attempt_id: each.outcome for each in records.attempts}
    if len(outcomes) != len(records.attempts):
        yield "an attempt has several entries"
    for attempt_id in records.told - outcomes.keys():
        yield f"{attempt_id} has vanished"
    for seen in records.sightings:
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
