"""Sentences about an address: on the list, on its page, and on the confirmation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ipadmin.katapult.types import IPAddress
from ipadmin.models import AuditEntry
from ipadmin.services.confirmation import Confirmation
from ipadmin.services.listing import Listing, why_not
from ipadmin.ui import time_zones
from ipadmin.ui.components import Empty, Linked, Notice

COLUMNS = {
    "address": "Address",
    "allocation": "Allocated to",
    "reverse_dns": "Reverse DNS",
    "vip": "VIP",
}


class Column(NamedTuple):
    """The head of a sortable column. `direction`: value of aria-sort, empty if not sorted by it."""

    title: str
    next_sort: str
    direction: str = ""
    icon: str = ""


def columns(listing: Listing) -> Iterator[Column]:
    for key, title in COLUMNS.items():
        if listing.sort == key:
            yield Column(title, f"-{key}", "ascending", "arrow-up")
        elif listing.sort == f"-{key}":
            yield Column(title, key, "descending", "arrow-down")
        else:
            yield Column(title, key)


def empty_list(listing: Listing, organization: str) -> Empty:
    total, title = listing.counts["all"], f"No results for “{listing.query}”"
    if listing.query and total:
        matches = "1 other address matches." if total == 1 else f"{total} others match."
        text = f"No {listing.state} address matches. {matches}"
        return Empty("search", title, text, "Show all", is_search=True)
    if listing.query:
        text = "The search covers addresses, host names, and the names and IDs of resources."
        return Empty("search", title, text, is_search=True)
    if total:
        return Empty("list", f"No {listing.state} addresses", show_all=f"Show all {total}")
    return Empty(
        "network",
        "This organization has no addresses",
        f"Katapult lists no addresses for {organization}. If that is wrong, check which "
        "organization the token is for.",
    )


def allocation_lead(ip: IPAddress) -> str:
    """`Allocated to web-01` or `Not allocated`."""
    if ip.allocation is None:
        return "Not allocated"
    return f"Allocated to {ip.allocation.name or ip.allocation.id}"


def membership(in_organization: bool | None, organization: str) -> Notice | None:
    """A warning about an address that the organization's list does not have; None if it does."""
    if in_organization:
        return None
    if in_organization is None:
        title = f"Not checked whether this address belongs to {organization}"
        return Notice("info", title, ("The list of its addresses could not be read.",))
    text = (
        "The token can read this address, but the organization's list does not include it. Make "
        "sure that it is yours before you change it."
    )
    return Notice("warning", f"Not in the addresses of {organization}", (text,))


def warnings(shown: Confirmation, attempts: Iterable[AuditEntry]) -> Iterator[Notice]:
    """What an operator must know before unallocating the address."""
    allocation = shown.ip.allocation
    resource = (allocation and (allocation.name or allocation.id)) or "its resource"
    if shown.is_last_of_family:
        text = f"Without it, {resource} can't be reached over {shown.family}."
        yield Notice("danger", f"The last {shown.family} address of {resource}", (text,))
    elif shown.is_last_of_family is None and allocation:
        title = f"Not checked whether this is the last {shown.family} address of {resource}"
        yield Notice("info", title, ("The list of addresses could not be read.",))
    if shown.ip.vip:
        text = "Services that move between machines use such an address."
        yield Notice("danger", "A virtual IP (VIP)", (text,))
    for attempt in attempts:
        if attempt.is_open:
            at = time_zones.text_of(attempt.created_at, "time")
            text = f"The attempt by {attempt.user_name} at {at} may still unallocate this address."
            link = Linked("Check that attempt first", attempt.get_absolute_url())
            yield Notice("warning", "An earlier attempt has no outcome yet", (text,), link)


def why_not_confirmed(shown: Confirmation) -> str:
    """Why the address can't be unallocated; empty if it can."""
    if shown.in_organization is False:
        return (
            "This organization's list does not include the address. Use a token of its "
            "organization."
        )
    if shown.ip.allocation is None:
        return "The address is not allocated, so there is nothing to unallocate."
    return why_not(shown.ip)


def reverse_dns_after(ip: IPAddress) -> str:
    """The reverse DNS after the address is unallocated, in words."""
    if ip.reverse_dns and ip.reverse_dns != default_host(ip.address):
        return "Will be lost and reset to Katapult's default"
    return "Katapult's default"


def default_host(address: str) -> str:
    """The reverse DNS of an unallocated IPv4 address [seen]; empty for IPv6: none was seen."""
    return "" if ":" in address else f"{address.replace('.', '-')}.rdns.katapult.io"
