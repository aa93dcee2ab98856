"""The rows of an address list: filtered by state and search text, sorted, one page of them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv6Address, ip_network

from django.core.paginator import Page, Paginator

from ipadmin.katapult.types import IPAddress
from ipadmin.services.inventory import Inventory

PER_PAGE = 50

# Allocation types that Katapult does not unallocate from, with the reason [doc].
CANNOT_BE_UNALLOCATED = {"LoadBalancer": "Can't be unallocated from a load balancer"}

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
class Row:
    """An address. `why_not` says why it can't be unallocated; empty if it can."""

    ip: IPAddress
    why_not: str


@dataclass(frozen=True, slots=True)
class Listing:
    """One page. `counts` are the numbers of addresses by state."""

    rows: list[Row]
    counts: dict[str, int]
    state: str
    query: str
    sort: str
    page: Page[IPAddress]
    read_at: datetime


def why_not(ip: IPAddress) -> str:
    """Why this address can't be unallocated; empty if it can."""
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
    """One page of the list. Unknown states and sort keys mean the default; a page number that is
    too high means the last page."""
    query = query.strip()
    found = _search(inventory.addresses, query)
    by_state = {
        "all": found,
        "allocated": [ip for ip in found if ip.allocation],
        "unallocated": [ip for ip in found if not ip.allocation],
    }
    state = state if state in by_state else "all"
    counts = {name: len(each) for name, each in by_state.items()}
    chosen = by_state[state]
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
        rows=[Row(ip, why_not(ip)) for ip in shown],
        counts=counts,
        state=state,
        query=query,
        sort=sort,
        page=shown,
        read_at=inventory.read_at,
    )


def _search(addresses: tuple[IPAddress, ...], query: str) -> list[IPAddress]:
    """The addresses that contain the text, or that are in the network (`198.18.0.0/22`)."""
    with suppress(ValueError):
        if "/" in query:
            network = ip_network(query, strict=False)
            return [ip for ip in addresses if (number := ip.number) and number in network]
    sought = query.lower()
    with suppress(ValueError):
        # A complete IPv6 address in Katapult's notation.
        sought = str(IPv6Address(query))
    return [ip for ip in addresses if sought in _searched_text(ip)] if query else list(addresses)


def _searched_text(ip: IPAddress) -> str:
    parts = [ip.address, ip.reverse_dns or "", ip.id]
    if ip.allocation:
        parts += [ip.allocation.id, ip.allocation.type or "", ip.allocation.name or ""]
    return "\n".join(parts).lower()
