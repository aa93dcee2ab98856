"""Find addresses, machines and organizations across all tokens of a user, in what was read last."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from django.db.models import F

from ipadmin.katapult.types import IPAddress
from ipadmin.models import ApiToken, User
from ipadmin.services import changes, snapshots
from ipadmin.services.listing import Filters, listing, positions_within, why_not
from ipadmin.services.snapshots import Inventory, Machine

# Results of each kind. A search that has more shows the list itself.
PER_KIND = 5
# Characters and items of a pasted text that are looked at.
MAX_PASTED_LENGTH = 100_000
MAX_PASTED_ITEMS = 500
# Addresses that a pasted text shows: a network may have any number.
MAX_PASTED_ADDRESSES = 1000

# An address or network, IPv4 or IPv6, or the id of an address or machine, within other text.
PASTED = re.compile(
    r"""(?<![\w.:])(
        \d{1,3}(?:\.\d{1,3}){3}(?:/\d{1,2})?
      | (?=[0-9a-f:]*:[0-9a-f:]*:)[0-9a-f:]{2,45}(?<![^:]:)(?:/\d{1,3})?
      | (?:ip|vm)_[A-Za-z0-9]{16}
    )(?!\w|\.\d)""",
    re.IGNORECASE | re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class FoundAddress:
    token: ApiToken
    ip: IPAddress
    machine: Machine | None
    why_not: str


@dataclass(frozen=True, slots=True)
class FoundMachine:
    token: ApiToken
    machine: Machine


@dataclass(slots=True)
class Found:
    """`total_addresses` counts all that match. `not_read` are tokens of organizations without an
    inventory. `can_look_up` are tokens to read the text with: an address or id that no inventory
    has."""

    addresses: list[FoundAddress] = field(default_factory=list)
    total_addresses: int = 0
    machines: list[FoundMachine] = field(default_factory=list)
    organizations: list[ApiToken] = field(default_factory=list)
    not_read: list[ApiToken] = field(default_factory=list)
    can_look_up: list[ApiToken] = field(default_factory=list)


@dataclass(slots=True)
class Pasted:
    """What a pasted text names: `unknown` are items that no inventory has."""

    addresses: list[FoundAddress] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    not_read: list[ApiToken] = field(default_factory=list)
    # What was left out.
    cut: str = ""

    @property
    def can_be_unallocated(self) -> list[FoundAddress]:
        return [each for each in self.addresses if not each.why_not]

    @property
    def not_allocated(self) -> list[FoundAddress]:
        return [each for each in self.addresses if each.ip.allocation is None]

    @property
    def cannot_be_unallocated(self) -> list[FoundAddress]:
        return [each for each in self.addresses if each.why_not and each.ip.allocation]


def find(user: User, text: str) -> Found:
    """The first results of each kind. An item is given as `as_item` writes it."""
    found, sought = Found(), text.lower()
    for token in user.api_tokens.ready():
        if sought in f"{token.organization_title}\n{token.label}".lower():
            found.organizations.append(token)
    searched = _inventories(user)
    for token, inventory in searched:
        if inventory is None:
            found.not_read.append(token)
            continue
        attempts = changes.attempts_since(inventory, token)
        shown = listing(inventory, Filters(q=text), attempts=attempts)
        found.total_addresses += shown.counts.all + shown.more
        room = PER_KIND - len(found.addresses)
        found.addresses += [
            FoundAddress(token, row.ip, row.machine, row.why_not or _read_only(token))
            for row in shown.rows[:room]
        ]
        room = PER_KIND - len(found.machines)
        found.machines += islice(_machines(token, inventory, text), room)
    if as_item(text) == text and "/" not in text and not _has_exact(found, text):
        found.can_look_up = [token for token, _ in searched][:PER_KIND]
    return found


def as_item(text: str) -> str:
    """The one address, network or id that the whole text is, in Katapult's notation, or empty."""
    return _item(text.strip()) if PASTED.fullmatch(text.strip()) else ""


def items_of(text: str) -> list[str]:
    """The addresses, networks and ids that a text names, once each, in Katapult's notation."""
    names = (match[1] for match in PASTED.finditer(text[:MAX_PASTED_LENGTH]))
    return list(dict.fromkeys(item for name in names if (item := _item(name))))


def is_pasted(text: str) -> bool:
    """Whether the text names several addresses, or one within other text."""
    items = items_of(text)
    return len(items) > 1 or (bool(items) and not PASTED.fullmatch(text.strip()))


def pasted(user: User, text: str) -> Pasted:
    """Exactly the addresses that a text names, by address, network, address id or machine id."""
    items, result = items_of(text), Pasted()
    if len(text) > MAX_PASTED_LENGTH or len(items) > MAX_PASTED_ITEMS:
        result.cut = f"Only the first {MAX_PASTED_ITEMS} items of the text were looked for"
    items = items[:MAX_PASTED_ITEMS]
    unknown = dict.fromkeys(items)
    for token, inventory in _inventories(user):
        if inventory is None:
            result.not_read.append(token)
            continue
        addresses = changes.apply(inventory, changes.attempts_since(inventory, token))
        by_machine = _by_machine(inventory, items)
        named: dict[int, None] = {}
        for item in items:
            indexes = by_machine.get(item) or _indexes(item, inventory)
            if indexes:
                unknown.pop(item, None)
            named.update(dict.fromkeys(indexes))
        room = MAX_PASTED_ADDRESSES - len(result.addresses)
        if len(named) > room:
            result.cut = f"Only the first {MAX_PASTED_ADDRESSES:,} addresses are shown"
        shown = sorted(named)[:room]
        result.addresses += [_found(token, inventory, addresses[index]) for index in shown]
    result.unknown = list(unknown)
    return result


def _inventories(user: User) -> list[tuple[ApiToken, Inventory | None]]:
    """The inventory of each organization, with the token that was used last of those that read it:
    the same address is found once, however many tokens can see it."""
    found: dict[str, tuple[ApiToken, Inventory | None]] = {}
    for token in user.api_tokens.ready().order_by(F("used_at").desc(nulls_last=True)):
        key = changes.organization_key(token)
        if found.get(key, (token, None))[1] is None:
            inventory = snapshots.load(token)
            if inventory or key not in found:
                found[key] = (token, inventory)
    return list(found.values())


def _machines(token: ApiToken, inventory: Inventory, text: str) -> Iterator[FoundMachine]:
    """By name, or by id, which for machines without a known name is that of an allocation."""
    if not text.startswith("vm_"):
        sought = text.lower()
        for machine in inventory.machines.values():
            if sought in machine.name.lower():
                yield FoundMachine(token, machine)
    elif text in inventory.machines:
        yield FoundMachine(token, inventory.machines[text])
    elif any(ip.allocation and ip.allocation.id == text for ip in inventory.addresses):
        yield FoundMachine(token, Machine(text, text))


def _has_exact(found: Found, item: str) -> bool:
    addresses = ((each.ip.address, each.ip.id) for each in found.addresses)
    machines = (each.machine.id for each in found.machines)
    return item in machines or any(item in names for names in addresses)


def _found(token: ApiToken, inventory: Inventory, ip: IPAddress) -> FoundAddress:
    machine = inventory.machines.get(ip.allocation.id) if ip.allocation else None
    return FoundAddress(token, ip, machine, why_not(ip) or _read_only(token))


def _read_only(token: ApiToken) -> str:
    return "The token is read-only" if token.is_read_only else ""


def _item(text: str) -> str:
    """An item in Katapult's notation; empty for a text that only looks like one. An address with
    its prefix length (`198.18.0.6/22`) is that address, not its network."""
    if text[:3].lower() in ("ip_", "vm_"):
        return text[:3].lower() + text[3:]
    try:
        given = ipaddress.ip_interface(text)
    except ValueError:
        return ""
    is_network = "/" in text and given.ip == given.network.network_address
    return str(given.network if is_network else given.ip)


def _by_machine(inventory: Inventory, items: list[str]) -> dict[str, list[int]]:
    """Positions in the inventory of the addresses of each machine that is named by its id."""
    found: dict[str, list[int]] = {item: [] for item in items if item.startswith("vm_")}
    for index, ip in enumerate(inventory.addresses if found else ()):
        if ip.allocation and ip.allocation.id in found:
            found[ip.allocation.id].append(index)
    return found


def _indexes(item: str, inventory: Inventory) -> Sequence[int]:
    """Positions in the inventory of the addresses that any other item names."""
    if "/" in item:
        return positions_within(inventory.addresses, ipaddress.ip_network(item))
    if item in inventory.by_id:
        item = inventory.by_id[item].address
    index = inventory.positions.get(item)
    return [] if index is None else [index]
