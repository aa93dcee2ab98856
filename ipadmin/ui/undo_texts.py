"""Undoing an unallocation in sentences: what it restores, what it does not, and why it can't be."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ipadmin.models import AuditEntry
from ipadmin.services.undo import Restoration
from ipadmin.ui import time_zones
from ipadmin.ui.components import Linked
from ipadmin.ui.markup import kind, words

READ_ONLY = "This token is read-only: it can't allocate an address. Use another token."
WHY_NOT = {
    "nothing_to_undo": "Only an address that this site has unallocated can be put back.",
    "another_api": "The address was unallocated in another Katapult API than this site uses now.",
    "load_balancer": "The address was allocated to a load balancer. Katapult's API can allocate an "
    "address to virtual machines only. Put it back in Katapult.",
    "unknown_type": "The address was allocated to a {type}. Katapult's API can allocate an address "
    "to virtual machines only. Put it back in Katapult.",
    "": "None of your tokens is for {organization}. Add one, or ask the person who has one.",
}
OBSTACLES = {
    "other_address": "The id of this address now belongs to {now}: {address} has left the "
    "organization.",
    "is_back": "The address is allocated to {holder} already. There is nothing left to do.",
    "ip_already_allocated": "The address is now allocated to {now}. Unallocate it there first.",
    "virtual_machine_not_found": "The virtual machine {holder} was deleted, or this token can't "
    "read it.",
    "object_in_trash": "The virtual machine {holder} is in the trash{until}. Restore it in "
    "Katapult, then check again.",
}


class Row(NamedTuple):
    """One line of what will change. `is_lost`: it does not become as it was before."""

    label: str
    now: str
    after: str
    is_lost: bool = False


def why_not(code: str, entry: AuditEntry) -> str:
    """Why the page has no confirmation, from the entry alone."""
    type = kind(entry.allocation_type) or "resource of an unknown type"
    return WHY_NOT[code].format(type=type, organization=entry.organization_title)


def obstacle(shown: Restoration) -> str:
    """Why the address can't be put back now; empty if it can."""
    if not shown.obstacle:
        return ""
    until = f" until {time_zones.text_of(shown.kept_until)}" if shown.kept_until else ""
    held = shown.ip.allocation
    now = (held.name or held.id) if held else shown.ip.address
    entry = shown.entry
    holder = entry.allocation_name or entry.allocation_id
    return OBSTACLES[shown.obstacle].format(
        now=now, address=entry.address, holder=holder, until=until
    )


def changes(shown: Restoration) -> list[Row]:
    """What the confirmation changes, and what it does not restore."""
    entry = shown.entry
    name = shown.machine.name if shown.machine else entry.allocation_name
    return [
        Row("Allocated to", "Nothing", f"{name or entry.allocation_id} {entry.allocation_id}"),
        Row("Interface", "None", "Katapult chooses one", is_lost=True),
        Row(
            "Reverse DNS",
            shown.ip.reverse_dns or "None",
            _reverse_dns(shown),
            is_lost=bool(shown.reverse_dns),
        ),
    ]


def _reverse_dns(shown: Restoration) -> str:
    if shown.machine and shown.machine.fqdn:
        default = f"{shown.machine.fqdn}, the name of the machine"
    else:
        default = "Katapult's default for the machine"
    return f"{default}, unless it is set below" if shown.reverse_dns else default


def machine(shown: Restoration) -> list[tuple[str, str]]:
    """Labels and values of what was read of the machine."""
    if shown.machine is None:
        return [("Machine", "Not checked: this token can't read virtual machines")]
    found = shown.machine
    return [
        ("State", words(found.state or "")),
        ("Zone", found.zone or ""),
        ("Tags", ", ".join(found.tags)),
    ]


def related(entry: AuditEntry, others: Iterable[AuditEntry]) -> list[tuple[str, list[Linked]]]:
    """What undoes an attempt, or what it undoes: labels and links. `others`: `undo.related`."""
    found: dict[str, list[Linked]] = {}
    for each in others:
        label = "Undoes" if each.attempt_id == entry.undoes else "Together with"
        if not entry.undoes:
            label = "Undone by"
        what = f"{each.known_action.label} {each.address}"
        link = Linked(f"{what}: {each.get_outcome_display().lower()}", each.get_absolute_url())
        found.setdefault(label, []).append(link)
    return [*found.items()]
