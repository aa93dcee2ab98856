"""What the audit history knows of an organization: what attempts changed since an inventory was
read, and names of machines. It is shared by all processes, so that each of them shows a change at
once, without reading the list again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from django.conf import settings
from django.db.models import Q

from ipadmin.audit import effects
from ipadmin.katapult.types import IPAddress
from ipadmin.models import Action, ApiToken, AuditEntry, Basis, Outcome
from ipadmin.models.search_keys import folded
from ipadmin.services.snapshots import Inventory, Machine

# Newest attempts on the newest read addresses; a list that misses more is read again long before.
MAX_ATTEMPTS = 1000
# Newest entries that names of machines are taken from.
NAMES_FROM_ENTRIES = 5000
# Error codes of an address that was found unallocated before or by the request.
FOUND_UNALLOCATED = ("already_unallocated", "no_allocation")


def attempts_since(inventory: Inventory, token: ApiToken) -> dict[str, AuditEntry]:
    """By address id, the newest attempt that is open or was finished after the list was read."""
    started = inventory.read_at - timedelta(
        seconds=settings.LONGEST_ATTEMPT + settings.EVIDENCE_DEADLINE
    )
    entries = AuditEntry.objects.filter(
        Q(finished_at=None) | Q(finished_at__gte=inventory.read_at),
        organization_key=organization_key(token),
        api_url=settings.KATAPULT_API_URL,
        created_at__gte=started,
    )
    # Newest first; the first one of each address counts.
    found: dict[str, AuditEntry] = {}
    for entry in entries[:MAX_ATTEMPTS]:
        found.setdefault(entry.address_id, entry)
    return found


def unallocated(entry: AuditEntry) -> bool:
    """Whether this attempt says that its address is not allocated now."""
    if entry.action != Action.UNALLOCATE:
        return False
    if entry.outcome == Outcome.SUCCEEDED:
        return True
    # Readings that closed an entry as failed saw the address allocated, whatever the code.
    is_finished = entry.finished_at is not None and entry.basis != Basis.EVIDENCE
    return is_finished and entry.error_code in FOUND_UNALLOCATED


def apply(inventory: Inventory, attempts: Mapping[str, AuditEntry]) -> tuple[IPAddress, ...]:
    """The addresses as they are after these attempts."""
    changed = {id: entry for id, entry in attempts.items() if unallocated(entry) or _is_held(entry)}
    if not changed:
        return inventory.addresses
    return tuple(
        _changed(ip, changed[ip.id]) if ip.id in changed else ip for ip in inventory.addresses
    )


def _is_held(entry: AuditEntry) -> bool:
    """Whether this attempt says that its address is allocated to the resource of the entry."""
    if entry.action == Action.ALLOCATE:
        return entry.outcome == Outcome.SUCCEEDED or entry.error_code == "already_allocated"
    return entry.action == Action.SET_REVERSE_DNS and entry.outcome != Outcome.REFUSED


def _changed(ip: IPAddress, entry: AuditEntry) -> IPAddress:
    """The address after an attempt. Katapult replaces the host name by a default one, of the
    address or of the machine. [seen]"""
    is_set = entry.action == Action.SET_REVERSE_DNS and entry.outcome == Outcome.SUCCEEDED
    host = entry.requested_reverse_dns if is_set else None
    return replace(ip, allocation=effects.holder_after(entry), reverse_dns=host)


def organization_key(token: ApiToken) -> str:
    """The search key of the token's organization, as in the entries of its attempts."""
    return folded(token.organization_id or token.organization_sub_domain)


def machines_in_history(token: ApiToken) -> dict[str, Machine]:
    """The last known name of each machine among the newest audit entries of the organization."""
    entries = AuditEntry.objects.filter(organization_key=organization_key(token))
    rows = entries.exclude(allocation_name="").order_by("-created_at", "-id")[:NAMES_FROM_ENTRIES]
    found: dict[str, Machine] = {}
    for id, name, at in rows.values_list("allocation_id", "allocation_name", "created_at"):
        found.setdefault(id, Machine(id, name, as_of=at))
    return found
