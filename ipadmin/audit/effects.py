"""What an attempt does to its address, and what a reading of the address shows of it."""

from __future__ import annotations

from ipadmin.audit.readings import ReadingResult, is_same
from ipadmin.katapult.types import Allocation, IPAddress, is_same_host
from ipadmin.models import Action, AuditEntry

# What a reading shows if the call had no effect, and if it had.
BEFORE = {
    Action.UNALLOCATE: ReadingResult.ALLOCATED,
    Action.ALLOCATE: ReadingResult.UNALLOCATED,
    Action.SET_REVERSE_DNS: ReadingResult.NOT_SET,
}
AFTER = {
    Action.UNALLOCATE: ReadingResult.UNALLOCATED,
    Action.ALLOCATE: ReadingResult.ALLOCATED,
    Action.SET_REVERSE_DNS: ReadingResult.SET,
}
# What can reverse the effect of an action.
OPPOSITES = {
    Action.UNALLOCATE: {Action.ALLOCATE},
    Action.ALLOCATE: {Action.UNALLOCATE},
    Action.SET_REVERSE_DNS: set(Action),
}


def before(entry: AuditEntry) -> ReadingResult:
    return BEFORE[entry.known_action]


def after(entry: AuditEntry) -> ReadingResult:
    return AFTER[entry.known_action]


def holder_before(entry: AuditEntry) -> Allocation | None:
    """What the address was allocated to when the attempt was confirmed."""
    return None if entry.action == Action.ALLOCATE else entry.allocation


def holder_after(entry: AuditEntry) -> Allocation | None:
    """What the address is allocated to when the attempt has succeeded."""
    return None if entry.action == Action.UNALLOCATE else entry.allocation


def shown_by(ip: IPAddress, entry: AuditEntry) -> ReadingResult:
    """What a reading of the entry's address shows of the attempt."""
    if entry.action == Action.SET_REVERSE_DNS:
        is_set = is_same_host(ip.reverse_dns, entry.requested_reverse_dns)
        return ReadingResult.SET if is_set else ReadingResult.NOT_SET
    if ip.allocation is None:
        return ReadingResult.UNALLOCATED
    is_holder = is_same(entry.allocation, ip.allocation)
    return ReadingResult.ALLOCATED if is_holder else ReadingResult.OTHER


def is_alike(one: AuditEntry, other: AuditEntry) -> bool:
    """Whether both do the same to an address, so that a reading cannot tell which of them did."""
    if one.action != other.action:
        return False
    if one.action == Action.ALLOCATE:
        return is_same(one.allocation, other.allocation)
    return is_same_host(one.requested_reverse_dns, other.requested_reverse_dns)


def can_reverse(entry: AuditEntry, other: AuditEntry) -> bool:
    """Whether `other` can have reversed what the entry did, so that a reading does not show it."""
    return other.action in OPPOSITES[entry.known_action] and not is_alike(entry, other)
