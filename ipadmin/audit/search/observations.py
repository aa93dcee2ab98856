"""Observations: what the holder of an address was at certain times, and the changes in between.

One entry contains several: the allocation that was confirmed, what was read before the call and
after it, and Katapult's answer. Nothing is assumed about the time between two observations.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import pairwise

from django.conf import settings

from ipadmin.audit import effects
from ipadmin.audit.competing import can_have_acted
from ipadmin.audit.readings import ReadingResult, is_same
from ipadmin.katapult.types import Allocation
from ipadmin.models import Action, AuditEntry, Basis, Outcome

SECOND = timedelta(seconds=1)


class Source(StrEnum):
    """What an observation is based on."""

    CONFIRMED = "confirmed"  # shown to the operator, up to CONFIRMATION_MAX_AGE seconds earlier
    CHECKED = "checked"  # read just before the call
    READ = "read"  # read after the call, or now
    RESULT = "result"  # the answer to the call, or the reason not to call


@dataclass(frozen=True, slots=True)
class Holding:
    """What an address was allocated to, None for nothing. `is_gone`: the organization no longer had
    the address."""

    allocation: Allocation | None = None
    is_gone: bool = False

    def is_same(self, other: Holding) -> bool:
        return self.is_gone == other.is_gone and is_same(self.allocation, other.allocation)


NOBODY = Holding()
GONE = Holding(is_gone=True)
HOLDING_AFTER_ERROR = {
    "already_unallocated": NOBODY,
    "no_allocation": NOBODY,
    "ip_address_not_found": GONE,
}
HOLDING_READ = {ReadingResult.UNALLOCATED: NOBODY, ReadingResult.GONE: GONE}


@dataclass(frozen=True, slots=True)
class Observation:
    """The holder of an address at a time. `entry`: where it is recorded; None if read now."""

    at: datetime
    holding: Holding
    source: Source
    address_id: str
    entry: AuditEntry | None = None

    @property
    def read_since(self) -> datetime:
        """The earliest time at which it can have been read."""
        seconds = settings.CONFIRMATION_MAX_AGE if self.source == Source.CONFIRMED else 0
        return self.at - timedelta(seconds=seconds)

    def agrees(self, other: Observation) -> bool:
        """Whether both show the same. An address with a new id was released in between."""
        return self.address_id == other.address_id and self.holding.is_same(other.holding)


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the holder between two consecutive observations that no successful attempt
    explains. `suspect`: an attempt with an unknown outcome that may have caused it."""

    before: Observation
    after: Observation
    suspect: AuditEntry | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Who had the address in the second that begins at `at`: the observations in that second, the
    nearest before and after it, and the attempt in progress."""

    at: datetime
    before: Observation | None
    within: tuple[Observation, ...]
    after: Observation | None
    under_way: AuditEntry | None

    @property
    def kind(self) -> str:
        if self.within:
            return "within" if self.is_one else "changing"
        if self.under_way:
            return "under_way"
        if self.before and self.after:
            is_same = self.before.agrees(self.after) and self.at < self.after.read_since
            return "same" if is_same else "between"
        return "since" if self.before else "until" if self.after else "never"

    @property
    def is_one(self) -> bool:
        return all(one.agrees(next) for one, next in pairwise(self.within))

    @property
    def doubt(self) -> AuditEntry | None:
        """The attempt after the last observation, if its effect is unknown."""
        entry = self.before.entry if self.before and self.kind in {"between", "since"} else None
        if self.before is None or entry is None:
            return None
        is_held = self.before.holding.allocation is not None
        can_act = {Action.UNALLOCATE: is_held, Action.ALLOCATE: not is_held}
        is_unknown = entry.outcome in {Outcome.UNKNOWN, Outcome.PENDING}
        return entry if is_unknown and can_act.get(entry.known_action) else None


def observations(entry: AuditEntry) -> list[Observation]:
    """The observations in an entry, one or more, oldest first."""
    was_read = entry.sent_at or entry.outcome not in {Outcome.REFUSED, Outcome.PENDING}
    source = Source.CHECKED if was_read else Source.CONFIRMED
    at = entry.sent_at or entry.created_at
    holding = Holding(effects.holder_before(entry))
    first = Observation(at, holding, source, entry.address_id, entry)
    return [first, *_readings(entry), *_result(entry)]


def left(entry: AuditEntry) -> Observation | None:
    """The address after an attempt; None if that is unknown."""
    last = observations(entry)[-1]
    is_known = entry.outcome not in {Outcome.UNKNOWN, Outcome.PENDING} or last.source == Source.READ
    return last if is_known else None


def seen(entries: Iterable[AuditEntry], now: Observation | None = None) -> list[Observation]:
    """All observations in the entries, oldest first, and `now`. Left out are confirmed allocations
    that can have been read before another observation: that one is newer."""
    found = [each for entry in entries for each in observations(entry)]
    kept: list[Observation] = []
    for each in sorted(found, key=lambda each: each.at):
        is_stale = each.source == Source.CONFIRMED and kept and kept[-1].at >= each.read_since
        if not is_stale:
            kept.append(each)
    return [*kept, now] if now else kept


def changes(entries: Sequence[AuditEntry], now: Observation | None = None) -> list[Change]:
    """Changes of an address that no successful attempt explains, oldest first. The entries must be
    of one address id on one API."""
    found = []
    for before, after in pairwise(seen(entries, now)):
        if before.agrees(after) or (before.entry is not None and before.entry is after.entry):
            continue
        suspects = list(_acting_between(entries, before, after))
        if not any(each.outcome == Outcome.SUCCEEDED for each in suspects):
            found.append(Change(before, after, suspects[0] if suspects else None))
    return found


def holder_at(entries: Iterable[AuditEntry], at: datetime) -> Answer:
    """Who had the address at a time, according to these entries, which must be of one API."""
    entries = list(entries)
    all_seen, end = seen(entries), at + SECOND
    within = [each for each in all_seen if at <= each.at < end]
    # A reading is newer than a confirmed allocation of the same second.
    within = [each for each in within if each.source != Source.CONFIRMED] or within
    return Answer(
        at=at,
        before=next((each for each in reversed(all_seen) if each.at < at), None),
        within=tuple(within),
        after=next((each for each in all_seen if each.at >= end), None),
        under_way=next((each for each in entries if _is_under_way(each, at, end)), None),
    )


def _is_under_way(entry: AuditEntry, since: datetime, until: datetime) -> bool:
    """Whether its request was sent, and its effect was unknown, at some time in a period."""
    if entry.sent_at is None:
        return False
    known = [each.at for each in observations(entry) if each.at > entry.sent_at]
    end = min(known, default=entry.finished_at)
    return entry.sent_at < until and (end is None or end > since)


def _acting_between(
    entries: Sequence[AuditEntry], before: Observation, after: Observation
) -> Iterator[AuditEntry]:
    """The attempts that can have made the change between two observations."""
    for entry in entries:
        if not _could_make(entry, before.holding, after.holding):
            continue
        # A request without an answer can take effect after the last reading of its attempt.
        is_late = entry.outcome == Outcome.UNKNOWN and entry is before.entry
        is_sent = (entry.sent_at or entry.created_at) < after.at
        if is_sent and (is_late or can_have_acted(entry, before.at)):
            yield entry


def _could_make(entry: AuditEntry, before: Holding, after: Holding) -> bool:
    """Whether an attempt leads from one holder to the other: any holder can be unallocated."""
    if entry.action == Action.UNALLOCATE:
        return before.allocation is not None and after == NOBODY
    return (
        entry.action == Action.ALLOCATE
        and before == NOBODY
        and after.is_same(Holding(entry.allocation))
    )


def _readings(entry: AuditEntry) -> Iterator[Observation]:
    """The readings after the call, without those that cannot be parsed."""
    for reading in entry.evidence:
        try:
            at, found = datetime.fromisoformat(reading["read_at"]), ReadingResult(reading["found"])
        except (KeyError, TypeError, ValueError):
            continue
        if found != ReadingResult.UNREADABLE:
            at = at if at.tzinfo else at.replace(tzinfo=UTC)
            holding = HOLDING_READ.get(found) or Holding(_allocation(reading))
            yield Observation(at, holding, Source.READ, entry.address_id, entry)


def _result(entry: AuditEntry) -> Iterator[Observation]:
    """What the outcome says about the address, unless it was derived from readings."""
    if entry.basis == Basis.EVIDENCE and any(_readings(entry)):
        return
    holding = None
    if entry.outcome == Outcome.SUCCEEDED:
        holding = Holding(effects.holder_after(entry))
    elif entry.outcome in {Outcome.FAILED, Outcome.REFUSED}:
        holding = HOLDING_AFTER_ERROR.get(entry.error_code)
        if entry.error_code in {"allocation_changed", "already_allocated"}:
            detail = entry.error_detail.get("found")
            found = _allocation(detail) if isinstance(detail, dict) else None
            # Refused although the machine is the same: the id now belongs to another address.
            is_gone = found is None or is_same(effects.holder_before(entry), found)
            holding = GONE if is_gone else Holding(found)
    if holding and entry.finished_at:
        yield Observation(entry.finished_at, holding, Source.RESULT, entry.address_id, entry)


def _allocation(fields: Mapping[str, object]) -> Allocation | None:
    id, type, name = (str(fields.get(f"allocation_{key}") or "") for key in ("id", "type", "name"))
    return Allocation.of(id, type, name or None)
