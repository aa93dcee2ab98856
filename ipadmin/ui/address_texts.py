"""Sentences about an address: on the list, on its page, and on the confirmation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from django.utils.http import urlencode

from ipadmin.katapult.types import VIRTUAL_MACHINE, IPAddress
from ipadmin.models import ApiToken, AuditEntry, Outcome
from ipadmin.services.confirmation import Confirmation, MachineFacts
from ipadmin.services.listing import Filters, Listing, why_not
from ipadmin.services.snapshots import Inventory
from ipadmin.ui import time_zones
from ipadmin.ui.components import Empty, Linked, Notice
from ipadmin.ui.markup import kind, words

# Other addresses of a machine that a confirmation names.
MOST_OTHERS = 6
# The title of a confirmation without its address, as those of `question`.
NOT_READ = ("The address can't be read", "")
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


class ListStatus(NamedTuple):
    """How current a list is. `progress` is `3,200 of 10,000`; `part` the same as a fraction."""

    progress: str
    part: float | None
    warning: str


def columns(listing: Listing) -> Iterator[Column]:
    for key, title in COLUMNS.items():
        if listing.filters.sort == key:
            yield Column(title, f"-{key}", "ascending", "arrow-up")
        elif listing.filters.sort == f"-{key}":
            yield Column(title, key, "descending", "arrow-down")
        else:
            yield Column(title, key)


def types(inventory: Inventory) -> list[tuple[str, str]]:
    """The types of what the addresses are allocated to, as Katapult names them and in words."""
    return [(type, kind(type)) for type in inventory.types]


def list_status(inventory: Inventory) -> ListStatus:
    count, total = len(inventory.addresses), inventory.total
    progress = f"{count:,} of {total:,}" if total else f"{count:,}"
    warning = ""
    if not inventory.is_complete:
        warning = f"This list is not complete: {progress} addresses were read."
    return ListStatus(progress, count / total if total else None, warning)


def names_hint(inventory: Inventory, token: ApiToken) -> str:
    """Why the list does not show the names of machines as they are now; empty if it does."""
    if inventory.has_names or not inventory.is_complete or VIRTUAL_MACHINE not in inventory.types:
        return ""
    if token.may_list_machines:
        return "The names of machines could not be read."
    shown = "from the history" if inventory.machines else "not shown"
    return f"Names of machines are {shown}: this token lacks the scope virtual_machines:read."


def all_of_them(listing: Listing) -> str:
    """All addresses of the list that can be selected: `all 37`, or `all 37 that match`."""
    narrowing = listing.filters.parameters().keys() - {"sort", "group", "more"}
    return f"all {listing.selectable:,}{' that match' if narrowing else ''}"


def attempt_note(entry: AuditEntry) -> str:
    """An attempt since the list was read, in a row that has no button because of it."""
    if entry.is_open:
        return "checking…"
    return "Unallocated" if entry.outcome == Outcome.SUCCEEDED else "Was already unallocated"


def empty_list(listing: Listing, token: ApiToken) -> Empty:
    filters, total = listing.filters, listing.counts.all
    title = f"No results for “{filters.q}”"
    state = filters.state if filters.state != "all" else "such"
    clear = _without(filters, "q", "Clear search")
    if filters.q and total:
        matches = "1 other address matches." if total == 1 else f"{total} others match."
        links = (_without(filters, "state", "Show all"), clear)
        return Empty("search", title, f"No {state} address matches. {matches}", links)
    if filters.q:
        text = "The search covers addresses, host names, and the names and IDs of resources."
        return Empty("search", title, text, (clear,))
    check = () if total else (Linked("Check the token", token.get_absolute_url()),)
    if filters.parameters():
        return Empty(
            "list", f"No {state} addresses", "", (Linked("Show all addresses", "?"), *check)
        )
    return Empty(
        "network",
        "This organization has no addresses",
        f"Katapult lists no addresses for {token.organization_title}. If that is wrong, check "
        "which organization the token is for.",
        check,
    )


def _without(filters: Filters, name: str, text: str) -> Linked:
    """A link to the list without one of its filters."""
    rest = {key: value for key, value in filters.parameters().items() if key != name}
    return Linked(text, f"?{urlencode(rest)}")


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
            text = f"The attempt by {attempt.person} at {at} may still unallocate this address."
            link = Linked("Check that attempt first", attempt.get_absolute_url())
            yield Notice("warning", "An earlier attempt has no outcome yet", (text,), link)


def question(shown: Confirmation) -> tuple[str, str]:
    """The title of a confirmation: what stands before and after the address."""
    if shown.ip.allocation is None:
        return "", " is already unallocated"
    if why_not_confirmed(shown):
        return "", " can't be unallocated here"
    return "Unallocate", "?"


def machine_facts(machine: MachineFacts) -> list[tuple[str, str]]:
    """Labels and values of what the confirmation shows of the machine."""
    others = ", ".join(machine.others[:MOST_OTHERS])
    if len(machine.others) > MOST_OTHERS:
        others += f" and {len(machine.others) - MOST_OTHERS} more"
    return [
        ("State", words(machine.state)),
        ("Zone", machine.zone),
        ("Tags", ", ".join(machine.tags)),
        ("Other IPs", others),
    ]


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
