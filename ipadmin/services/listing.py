"""The rows of an address list: filtered, sorted, one page of them."""

from __future__ import annotations

import ipaddress
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields

from django.core.paginator import Page, Paginator

from ipadmin.katapult.types import Allocation, IPAddress
from ipadmin.models import AuditEntry
from ipadmin.services import changes
from ipadmin.services.snapshots import Inventory, Machine, number

PER_PAGE = 50
STATES = ("all", "allocated", "unallocated")
FAMILIES = ("IPv4", "IPv6")
SORTS = ("address", "reverse_dns", "allocation", "vip")
# After every name.
LAST = "\U0010ffff"

# Allocation types that Katapult does not unallocate from, with the reason [doc].
CANNOT_BE_UNALLOCATED = {"LoadBalancer": "Can't be unallocated from a load balancer"}

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list shows; each is a parameter of its URL. Unknown values mean the default."""

    q: str = ""
    state: str = "all"
    family: str = ""
    type: str = ""
    vip: str = ""
    network: str = ""
    sort: str = "address"
    group: str = ""
    # After an exact match: the addresses that start with it as well.
    more: str = ""

    @classmethod
    def of(cls, parameters: Mapping[str, str]) -> Filters:
        given = {each.name: parameters.get(each.name, "").strip() for each in fields(cls)}
        allowed = {
            "state": STATES,
            "family": FAMILIES,
            "vip": ("yes", "no"),
            "sort": (*SORTS, *(f"-{name}" for name in SORTS)),
            "group": ("machine",),
        }
        return cls(
            **{
                name: value
                for name, value in given.items()
                if value and (name not in allowed or value in allowed[name])
            }
        )

    def parameters(self) -> dict[str, str]:
        """Those that differ from the default, for a URL."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in values.items() if value != _DEFAULTS[name]}


_DEFAULTS = {each.name: each.default for each in fields(Filters)}


@dataclass(frozen=True, slots=True)
class Counts:
    all: int
    allocated: int
    unallocated: int


@dataclass(frozen=True, slots=True)
class Row:
    """An address. `why_not` says why it can't be unallocated; empty if it can. `attempt` is one of
    this site since the list was read. `group` is a machine whose addresses begin with this row."""

    ip: IPAddress
    why_not: str
    machine: Machine | None = None
    attempt: AuditEntry | None = None
    group: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """`page` is a page of `rows`; `more` counts those that only start with the exact match.
    `selectable` counts those of all pages that can be unallocated."""

    rows: list[Row]
    counts: Counts
    filters: Filters
    page: Page[int]
    inventory: Inventory
    more: int = 0
    selectable: int = 0


def why_not(ip: IPAddress) -> str:
    """Why this address can't be unallocated; empty if it can."""
    if ip.allocation is None:
        return "Not allocated"
    return CANNOT_BE_UNALLOCATED.get(ip.allocation.type or "", "")


def listing(
    inventory: Inventory,
    filters: Filters,
    *,
    attempts: Mapping[str, AuditEntry] | None = None,
    page: int | str = 1,
) -> Listing:
    """One page of the list, with the changes of these attempts. A page number that is too high
    means the last page."""
    attempts = attempts or {}
    addresses = changes.apply(inventory, attempts)
    found, more = _matching(inventory, addresses, filters)
    allocated = [index for index in found if addresses[index].allocation]
    counts = Counts(len(found), len(allocated), len(found) - len(allocated))
    selectable = 0 if filters.state == "unallocated" else len(_selectable(addresses, allocated))
    if filters.state == "allocated":
        found = allocated
    elif filters.state == "unallocated":
        found = [index for index in found if not addresses[index].allocation]
    _sort(found, addresses, inventory, filters)
    shown = Paginator(found, PER_PAGE).get_page(page)
    rows: list[Row] = []
    for index in shown:
        ip, previous = addresses[index], rows[-1].ip.allocation if rows else None
        machine = inventory.machines.get(ip.allocation.id) if ip.allocation else None
        begins = filters.group and (not rows or _id_of(previous) != _id_of(ip.allocation))
        group = (machine and machine.name) or _id_of(ip.allocation) or "Not allocated"
        rows.append(Row(ip, why_not(ip), machine, attempts.get(ip.id), group if begins else ""))
    return Listing(rows, counts, filters, shown, inventory, more, selectable)


def selectable(
    inventory: Inventory, filters: Filters, attempts: Mapping[str, AuditEntry]
) -> list[str]:
    """The IDs of all addresses of the list that can be unallocated, on any page."""
    if filters.state == "unallocated":
        return []
    addresses = changes.apply(inventory, attempts)
    found, _more = _matching(inventory, addresses, filters)
    return [addresses[index].id for index in _selectable(addresses, found)]


def _selectable(addresses: Sequence[IPAddress], found: list[int]) -> list[int]:
    return [index for index in found if not why_not(addresses[index])]


def _matching(
    inventory: Inventory, addresses: Sequence[IPAddress], filters: Filters
) -> tuple[list[int], int]:
    """The indexes of those that match in any state, and how many only start with the exact
    match."""
    found = _narrowed(addresses, _search(inventory, addresses, filters.q), filters)
    exact = inventory.positions.get(_as_written(filters.q))
    if exact in found and not filters.more and len(found) > 1:
        return [exact], len(found) - 1
    return found, 0


def _id_of(allocation: Allocation | None) -> str:
    return allocation.id if allocation else ""


def _search(inventory: Inventory, addresses: Sequence[IPAddress], query: str) -> list[int]:
    """Indexes of the addresses that contain the text, or that are in the network
    (`198.18.0.0/22`)."""
    if not query:
        return list(range(len(addresses)))
    if network := _network(query):
        return list(positions_within(addresses, network))
    sought = _as_written(query.lower())
    if sought in inventory.positions:
        return [index for index, ip in enumerate(addresses) if ip.address.startswith(sought)]
    return [index for index, text in enumerate(inventory.texts) if sought in text]


def positions_within(addresses: Sequence[IPAddress], network: Network) -> range:
    """The indexes of those in a network; the addresses are in numeric order."""
    version: int = network.version
    first = int(network.network_address)
    keys = ((version, first, ""), (version, first + network.num_addresses, ""))
    return range(*(bisect_left(addresses, key, key=number) for key in keys))


def _narrowed(addresses: Sequence[IPAddress], found: list[int], filters: Filters) -> list[int]:
    """The indexes whose addresses pass the filters."""
    tests: list[Callable[[IPAddress], bool]] = []
    if filters.family:
        tests.append(lambda ip: ip.family == filters.family)
    if filters.type:
        tests.append(lambda ip: (ip.allocation and ip.allocation.type) == filters.type)
    if filters.vip:
        tests.append(lambda ip: ip.vip == (filters.vip == "yes"))
    if network := _network(filters.network):
        within = positions_within(addresses, network)
        found = [index for index in found if index in within]
    for test in tests:
        found = [index for index in found if test(addresses[index])]
    return found


def _sort(
    found: list[int], addresses: Sequence[IPAddress], inventory: Inventory, filters: Filters
) -> None:
    """Sort in place; indexes are in the order of the addresses already. What has no name comes
    last in both directions."""
    is_reversed = filters.sort.startswith("-")
    last = "" if is_reversed and not filters.group else LAST

    def by_machine(index: int) -> tuple[str, str]:
        of = addresses[index].allocation
        name = (inventory.machine_name(of.id) or of.name or "") if of else ""
        return (name.lower() or last, of.id if of else last)

    keys: dict[str, Callable[[int], object]] = {
        "reverse_dns": lambda index: (addresses[index].reverse_dns or last).lower(),
        "allocation": by_machine,
        "vip": lambda index: not addresses[index].vip,
    }
    column = filters.sort.removeprefix("-")
    if column in keys:
        found.sort(key=keys[column])  # type: ignore[arg-type]
    if is_reversed:
        found.reverse()
    if filters.group:
        found.sort(key=by_machine)


def _network(text: str) -> Network | None:
    """The network that the text is; None for any other text."""
    if "/" not in text:
        return None
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        return None


def _as_written(query: str) -> str:
    """A complete IPv6 address in Katapult's notation; any other text unchanged."""
    try:
        return str(ipaddress.IPv6Address(query))
    except ValueError:
        return query
