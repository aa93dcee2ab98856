"""How an address was seen: who held it when, and what changed while nobody looked.

An entry tells of several looks at its address: what was confirmed, what was read before the call
and afterwards, what Katapult said. Each is a observation. Between two of them nothing is claimed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Any

from django.conf import settings

from ipadmin.audit.competing import can_have_acted
from ipadmin.audit.readings import ReadingResult, is_same
from ipadmin.katapult.types import Allocation
from ipadmin.models import AuditEntry, Basis, Outcome

SECOND = timedelta(seconds=1)


class How(StrEnum):
    """What a observation rests on."""

    CONFIRMED = "confirmed"  # shown to the operator, up to CONFIRMATION_MAX_AGE before
    CHECKED = "checked"  # read just before the call
    READ = "read"  # read afterwards, or now
    TOLD = "told"  # the answer to the call, or why it was not made


@dataclass(frozen=True, slots=True)
class Holding:
    """Whom an address belonged to: nobody without an allocation; `is_gone` when the organization
    did not even have the address any more."""

    allocation: Allocation | None = None
    is_gone: bool = False

    def is_same(self, other: Holding) -> bool:
        same = is_same(self.allocation, other.allocation)
        return same and self.is_gone == other.is_gone


NOBODY = Holding()
GONE = Holding(is_gone=True)


@dataclass(frozen=True, slots=True)
class Observation:
    """`entry` is the one that tells of it; None for a look of this moment."""

    at: datetime
    holding: Holding
    how: How
    address_id: str
    entry: AuditEntry | None = None

    @property
    def read_since(self) -> datetime:
        """The earliest that it may have been read."""
        seconds = settings.CONFIRMATION_MAX_AGE if self.how == How.CONFIRMED else 0
        return self.at - timedelta(seconds=seconds)

    def agrees(self, other: Observation) -> bool:
        """An address that comes back under another id was away in between."""
        return self.address_id == other.address_id and self.holding.is_same(other.holding)


@dataclass(frozen=True, slots=True)
class Change:
    """Between two observations in a row the address changed hands, and not by an attempt of ours;
    unless by `suspect`, of which nobody knows what it did."""

    before: Observation
    after: Observation
    suspect: AuditEntry | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Who had the address in the second that begins at `at`: the observations `within` it, the
    nearest around it, and the attempt that was under way."""

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
        """The attempt after the last observation of which nobody knows what it did."""
        if not self.before or not self.before.holding.allocation:
            return None
        entry = self.before.entry if self.kind in {"between", "since"} else None
        return entry if entry and entry.outcome in {Outcome.UNKNOWN, Outcome.PENDING} else None


def observations(entry: AuditEntry) -> list[Observation]:
    """What an entry tells, in the order of the looks; never nothing."""
    was_read = entry.sent_at or entry.outcome not in {Outcome.REFUSED, Outcome.PENDING}
    how = How.CHECKED if was_read else How.CONFIRMED
    at = entry.sent_at or entry.created_at
    first = Observation(at, Holding(entry.allocation), how, entry.address_id, entry)
    return [first, *_readings(entry), *_told(entry)]


def left(entry: AuditEntry) -> Observation | None:
    """How an attempt left the address; None where nobody knows."""
    last = observations(entry)[-1]
    is_known = entry.outcome not in {Outcome.UNKNOWN, Outcome.PENDING} or last.how == How.READ
    return last if is_known else None


def seen(entries: Iterable[AuditEntry], now: Observation | None = None) -> list[Observation]:
    """All that the entries tell, oldest first. What was confirmed and never read again does not
    count where somebody looked after it may have been read for the confirmation."""
    found = [each for entry in entries for each in observations(entry)]
    found.sort(key=lambda each: each.at)
    kept: list[Observation] = []
    for each in found:
        is_stale = each.how == How.CONFIRMED and kept and kept[-1].at >= each.read_since
        if not is_stale:
            kept.append(each)
    return [*kept, now] if now else kept


def changes(entries: Sequence[AuditEntry], now: Observation | None = None) -> list[Change]:
    """What happened to an address that no attempt of ours explains, oldest first. The entries are
    those of one id on one API: elsewhere the same address is another."""
    found = []
    for before, after in pairwise(seen(entries, now)):
        if before.agrees(after) or (before.entry is not None and before.entry is after.entry):
            continue
        could_be_ours = before.holding.allocation is not None and after.holding == NOBODY
        suspects = list(_acting_between(entries, before, after)) if could_be_ours else []
        if not any(each.outcome == Outcome.SUCCEEDED for each in suspects):
            found.append(Change(before, after, suspects[0] if suspects else None))
    return found


def holder_at(entries: Iterable[AuditEntry], at: datetime) -> Answer:
    """Who had the address, as far as these entries tell: the nearest on both sides of the moment,
    of one API."""
    entries = list(entries)
    all_seen, end = seen(entries), at + SECOND
    within = [each for each in all_seen if at <= each.at < end]
    # What was read in this very second says more than what was confirmed in it.
    within = [each for each in within if each.how != How.CONFIRMED] or within
    return Answer(
        at=at,
        before=next((each for each in reversed(all_seen) if each.at < at), None),
        within=tuple(within),
        after=next((each for each in all_seen if each.at >= end), None),
        under_way=next((each for each in entries if _is_under_way(each, at, end)), None),
    )


def _is_under_way(entry: AuditEntry, since: datetime, until: datetime) -> bool:
    """Whether somewhere in between it was sent and nobody knew yet what came of it."""
    if entry.sent_at is None:
        return False
    known = [each.at for each in observations(entry) if each.at > entry.sent_at]
    end = min(known, default=entry.finished_at)
    return entry.sent_at < until and (end is None or end > since)


def _acting_between(
    entries: Sequence[AuditEntry], before: Observation, after: Observation
) -> Iterator[AuditEntry]:
    """The attempts that can have unallocated the address between two observations."""
    for entry in entries:
        sent_at = entry.sent_at or entry.created_at
        if sent_at >= after.at:
            continue
        if entry.outcome in {Outcome.FAILED, Outcome.REFUSED}:
            # Closed as `failed` by evidence: its request may have been carried out since.
            if can_have_acted(entry, before.at):
                yield entry
            continue
        # A request that was never answered can land later than the last look for it.
        is_late = entry.outcome == Outcome.UNKNOWN and entry is before.entry
        if is_late or entry.finished_at is None or entry.finished_at > before.at:
            yield entry


def _readings(entry: AuditEntry) -> Iterator[Observation]:
    """Whatever shape an earlier version has kept them in: what can't be understood is none."""
    for reading in entry.evidence:
        try:
            at, found = datetime.fromisoformat(reading["read_at"]), ReadingResult(reading["found"])
        except (KeyError, TypeError, ValueError):
            continue
        if found != ReadingResult.UNREADABLE:
            at = at if at.tzinfo else at.replace(tzinfo=UTC)
            yield Observation(at, _found(found, reading), How.READ, entry.address_id, entry)


def _found(found: ReadingResult, reading: Mapping[str, Any]) -> Holding:
    if found in {ReadingResult.GONE, ReadingResult.UNALLOCATED}:
        return GONE if found == ReadingResult.GONE else NOBODY
    return Holding(_allocation(reading))


def _told(entry: AuditEntry) -> Iterator[Observation]:
    """What the end of an attempt says about the address, where the readings don't."""
    if entry.basis == Basis.EVIDENCE and any(_readings(entry)):
        return
    holding = None
    if entry.outcome == Outcome.SUCCEEDED:
        holding = NOBODY
    elif entry.outcome in {Outcome.FAILED, Outcome.REFUSED}:
        holding = _told_by_error(entry)
    if holding and entry.finished_at:
        yield Observation(entry.finished_at, holding, How.TOLD, entry.address_id, entry)


def _told_by_error(entry: AuditEntry) -> Holding | None:
    if entry.error_code in {"already_unallocated", "no_allocation"}:
        return NOBODY
    if entry.error_code == "ip_address_not_found":
        return GONE
    if entry.error_code != "allocation_changed":
        return None
    detail = entry.error_detail.get("found")
    found = _allocation(detail) if isinstance(detail, dict) else None
    # On the same machine and still not the same: then the id is another address's now.
    is_gone = found is None or is_same(entry.allocation, found)
    return GONE if is_gone else Holding(found)


def _allocation(fields: Mapping[str, Any]) -> Allocation | None:
    id, type, name = (str(fields.get(f"allocation_{key}") or "") for key in ("id", "type", "name"))
    return Allocation(id, type or None, name or None) if id or type or name else None
