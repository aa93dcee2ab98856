"""Find addresses, machines and organizations across all tokens of a user, in what was read last."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ipadmin.katapult.types import IPAddress
from ipadmin.models import ApiToken, User
from ipadmin.services import changes, snapshots
from ipadmin.services.listing import Filters, listing, why_not
from ipadmin.services.snapshots import Inventory, Machine, number

# Results of each kind. A search that has more shows the list itself.
PER_KIND = 5
# Characters and items of a pasted text that are looked at.
MAX_PASTED_LENGTH = 100_000
MAX_PASTED_ITEMS = 500
# Addresses of pasted networks.
MAX_IN_NETWORKS = 1000

# An address or network, IPv4 or IPv6, or the id of an address or machine, within other text.
PASTED = re.compile(
    r"""(?<![\w.:])(
        \d{1,3}(?:\.\d{1,3}){3}(?:/\d{1,2})?
      | (?=[0-9a-f:]*:[0-9a-f:]*:)[0-9a-f:]{2,45}(?:/\d{1,3})?
      | (?:ip|vm)_[A-Za-z0-9]{16}
    )(?![\w])""",
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
    """`total_addresses` counts all that match; `not_read` are tokens without an inventory."""

    addresses: list[FoundAddress] = field(default_factory=list)
    total_addresses: int = 0
    machines: list[FoundMachine] = field(default_factory=list)
    organizations: list[ApiToken] = field(default_factory=list)
    not_read: list[ApiToken] = field(default_factory=list)


@dataclass(slots=True)
class Pasted:
    """What a pasted text names: `unknown` are items that no inventory has."""

    addresses: list[FoundAddress] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    not_read: list[ApiToken] = field(default_factory=list)
    is_cut: bool = False

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
    """The first results of each kind. The same address is listed once for each token."""
    found, sought = Found(), text.strip().lower()
    for token, inventory in _inventories(user, found.not_read):
        if sought in token.organization_title.lower() or sought in token.label.lower():
            found.organizations.append(token)
        if inventory is None:
            continue
        attempts = changes.attempts_since(inventory, token)
        shown = listing(inventory, Filters(q=text.strip()), attempts=attempts)
        found.total_addresses += shown.counts.all + shown.more
        room = PER_KIND - len(found.addresses)
        found.addresses += [
            FoundAddress(token, row.ip, row.machine, row.why_not or _read_only(token))
            for row in shown.rows[:room]
        ]
        found.machines += _machines(token, inventory, sought, PER_KIND - len(found.machines))
    return found


def is_pasted(text: str) -> bool:
    """Whether the text names several addresses, or one within other text."""
    items = [match[1] for match in PASTED.finditer(text[:MAX_PASTED_LENGTH])]
    return len(items) > 1 or (bool(items) and items[0].lower() != text.strip().lower())


def pasted(user: User, text: str) -> Pasted:
    """Exactly the addresses that a text names, by address, network, address id or machine id."""
    names = dict.fromkeys(match[1] for match in PASTED.finditer(text[:MAX_PASTED_LENGTH]))
    items = [item for name in names if (item := _item(name))]
    result = Pasted(is_cut=len(text) > MAX_PASTED_LENGTH or len(items) > MAX_PASTED_ITEMS)
    unknown = dict.fromkeys(items[:MAX_PASTED_ITEMS])
    for token, inventory in _inventories(user, result.not_read):
        if inventory is None:
            continue
        attempts = changes.attempts_since(inventory, token)
        addresses = changes.apply(inventory, attempts)
        named: dict[int, None] = {}
        for item in items[:MAX_PASTED_ITEMS]:
            indexes = list(_indexes(item, inventory))
            if indexes:
                unknown.pop(item, None)
            named.update(dict.fromkeys(indexes[:MAX_IN_NETWORKS]))
        result.addresses += [_found(token, inventory, addresses[index]) for index in sorted(named)]
    result.unknown = list(unknown)
    return result


def _inventories(
    user: User, not_read: list[ApiToken]
) -> Iterator[tuple[ApiToken, Inventory | None]]:
    """Each ready token of a user with its inventory; those without one are added to `not_read`."""
    for token in user.api_tokens.ready():
        inventory = snapshots.load(token)
        if inventory is None:
            not_read.append(token)
        yield token, inventory


def _machines(
    token: ApiToken, inventory: Inventory, sought: str, limit: int
) -> Iterable[FoundMachine]:
    matches = (
        machine
        for machine in inventory.machines.values()
        if sought in machine.name.lower() or sought == machine.id.lower()
    )
    return [FoundMachine(token, machine) for machine, _ in zip(matches, range(limit), strict=False)]


def _found(token: ApiToken, inventory: Inventory, ip: IPAddress) -> FoundAddress:
    machine = inventory.machines.get(ip.allocation.id) if ip.allocation else None
    return FoundAddress(token, ip, machine, why_not(ip) or _read_only(token))


def _read_only(token: ApiToken) -> str:
    return "The token is read-only" if token.is_read_only else ""


def _item(text: str) -> str:
    """An item in Katapult's notation; empty for a text that only looks like one."""
    if text[:3].lower() in ("ip_", "vm_"):
        return text[:3].lower() + text[3:]
    try:
        if "/" in text:
            return str(ipaddress.ip_network(text, strict=False))
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""


def _indexes(item: str, inventory: Inventory) -> Iterable[int]:
    """Positions in the inventory of the addresses that an item names."""
    if item.startswith("ip_"):
        found = inventory.by_id.get(item)
        return [inventory.positions[found.address]] if found else []
    if item.startswith("vm_"):
        return [
            index
            for index, ip in enumerate(inventory.addresses)
            if ip.allocation and ip.allocation.id == item
        ]
    if "/" in item:
        network = ipaddress.ip_network(item)
        first = int(network.network_address)
        last = first + network.num_addresses
        keys = ((number(ip)[:2], index) for index, ip in enumerate(inventory.addresses))
        return [i for (version, n), i in keys if version == network.version and first <= n < last]
    index = inventory.positions.get(item)
    return [] if index is None else [index]
