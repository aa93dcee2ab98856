"""The rows of an address list: one state, one search, one order, one page."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.core.paginator import Page, Paginator

from ipadmin.katapult.types import IPAddress
from ipadmin.services.inventory import Inventory

PER_PAGE = 50
STATES = ("all", "allocated", "unallocated")

# Katapult names them so; a load balancer answers `resource_does_not_support_unallocation`. [doc]
CANNOT_BE_UNALLOCATED = {"LoadBalancer": "A load balancer keeps its address"}

SORTS: dict[str, Callable[[IPAddress], object]] = {
    "reverse_dns": lambda ip: (ip.reverse_dns or "").lower(),
    "allocation": lambda ip: (
        (ip.allocation.type or "", ip.allocation.name or "", ip.allocation.id)
        if ip.allocation
        else ("\uffff",)
    ),
    "vip": lambda ip: not ip.vip,
}


@dataclass(frozen=True, slots=True)
class Counts:
    all: int
    allocated: int
    unallocated: int


@dataclass(frozen=True, slots=True)
class Row:
    """An address and what may be done with it here. `why_not` is for people."""

    ip: IPAddress
    allocation_name: str
    why_not: str

    @property
    def can_unallocate(self) -> bool:
        return not self.why_not


@dataclass(frozen=True, slots=True)
class Listing:
    rows: list[Row]
    counts: Counts
    state: str
    query: str
    sort: str
    page: Page[IPAddress]
    read_at: datetime


def row(ip: IPAddress) -> Row:
    name = (ip.allocation.name if ip.allocation else None) or ""
    return Row(ip, name, why_not(ip))


def why_not(ip: IPAddress) -> str:
    """Why this address cannot be unallocated; nothing when it can."""
    if ip.allocation is None:
        return "Not allocated"
    return CANNOT_BE_UNALLOCATED.get(ip.allocation.type or "", "")


def listing(
    inventory: Inventory,
    *,
    state: str = "all",
    query: str = "",
    sort: str = "",
    page: int | str = 1,
) -> Listing:
    """What a page shows. Unknown states and sorts mean the default, an impossible page the last."""
    query = query.strip()
    found = _search(inventory.addresses, query)
    allocated = [ip for ip in found if ip.allocation]
    unallocated = [ip for ip in found if not ip.allocation]
    state = state if state in STATES else "all"
    chosen = {"all": list(found), "allocated": allocated, "unallocated": unallocated}[state]
    column = sort.removeprefix("-")
    if column in SORTS:
        chosen.sort(key=SORTS[column])  # type: ignore[arg-type]
    else:
        # The inventory comes in the order of the addresses already.
        sort = "-address" if sort == "-address" else "address"
    if sort.startswith("-"):
        chosen.reverse()
    shown = Paginator(chosen, PER_PAGE).get_page(page)
    return Listing(
        rows=[row(ip) for ip in shown],
        counts=Counts(len(found), len(allocated), len(unallocated)),
        state=state,
        query=query,
        sort=sort,
        page=shown,
        read_at=inventory.read_at,
    )


def _search(addresses: tuple[IPAddress, ...], query: str) -> list[IPAddress]:
    """Those in which the text occurs; for a network such as 185.44.252.0/22, those within it."""
    if not query:
        return list(addresses)
    if "/" in query:
        try:
            network = ipaddress.ip_network(query, strict=False)
        except ValueError:
            pass
        else:
            return [ip for ip in addresses if _is_within(ip.address, network)]
    sought = _as_written(query.lower())
    return [ip for ip in addresses if sought in _searched_text(ip)]


def _as_written(query: str) -> str:
    """A whole IPv6 address, however it is spelled, as Katapult writes it."""
    try:
        return str(ipaddress.IPv6Address(query))
    except ValueError:
        return query


def _is_within(address: str, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    try:
        return ipaddress.ip_address(address) in network
    except ValueError:
        return False


def _searched_text(ip: IPAddress) -> str:
    parts = [ip.address, ip.reverse_dns or "", ip.id]
    if ip.allocation:
        parts += [ip.allocation.id, ip.allocation.type or "", ip.allocation.name or ""]
    return "\n".join(parts).lower()
