"""The sandbox's world: organizations, what addresses are allocated to, and the addresses.

Nothing here knows HTTP or JSON. Every change goes through `World.apply`, as a small dict that can
be written to a journal and replayed over a world of the same seed.
"""

from __future__ import annotations

import ipaddress
from bisect import bisect_left, insort
from dataclasses import dataclass, field

VIRTUAL_MACHINE = "VirtualMachine"


@dataclass(slots=True)
class Organization:
    id: str
    name: str
    sub_domain: str
    created_at: int  # seconds since 1970, as the vendor's OpenAPI has it [doc]
    activated_at: int | None
    suspended: bool = False

    @property
    def infrastructure_domain(self) -> str:
        return f"{self.sub_domain}.katapult.cloud"


@dataclass(slots=True)
class Resource:
    """Something an address can be allocated to; `type` is what the API calls it."""

    id: str
    type: str
    name: str
    hostname: str
    organization_id: str
    has_interface: bool = True
    in_trash: bool = False


@dataclass(slots=True)
class Network:
    id: str
    name: str
    permalink: str


@dataclass(slots=True)
class Address:
    serial: int
    id: str
    address: str
    version: int
    mask: int
    subnet_id: str
    organization_id: str | None  # None: released
    reverse_dns: str
    vip: bool = False
    label: str | None = None
    resource: Resource | None = None
    year: int = 2026  # answers as then: no subnet before 2026, no network.default before 2025
    row: str | None = field(default=None, repr=False)  # its cached line of a list, as JSON


@dataclass(slots=True)
class Holdings:
    """The serials of one organization's addresses, each list sorted, so that a page is a slice."""

    everything: list[int] = field(default_factory=list)
    allocated: list[int] = field(default_factory=list)
    free: list[int] = field(default_factory=list)

    def add(self, address: Address) -> None:
        insort(self.everything, address.serial)
        insort(self.allocated if address.resource else self.free, address.serial)

    def remove(self, address: Address) -> None:
        for serials in (self.everything, self.allocated, self.free):
            at = bisect_left(serials, address.serial)
            if at < len(serials) and serials[at] == address.serial:
                del serials[at]


def default_reverse_dns(address: str, version: int) -> str:
    """The name an address has while it is allocated to nothing [seen]."""
    if version == 4:
        return address.replace(".", "-") + ".rdns.katapult.io"
    return address.replace(":", "-") + ".rdns.k.io"


class World:
    """Everything that exists, indexed for lookups and pages."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.user_id = ""
        self.organizations: list[Organization] = []
        self.resources: dict[str, Resource] = {}
        self.addresses: list[Address] = []
        self.by_id: dict[str, Address] = {}
        self.by_text: dict[str, Address] = {}
        self.holdings: dict[str, Holdings] = {}

    def add_organization(self, organization: Organization) -> None:
        self.organizations.append(organization)
        self.holdings[organization.id] = Holdings()

    def add_address(self, address: Address) -> None:
        self.addresses.append(address)
        self.by_id[address.id] = address
        self.by_text[address.address] = address
        if address.organization_id is not None:
            self.holdings[address.organization_id].add(address)

    def organization(self, key: str, value: str) -> Organization | None:
        """`key` is `id` or `sub_domain`."""
        return next((o for o in self.organizations if getattr(o, key) == value), None)

    def address(self, key: str, value: str) -> Address | None:
        """`key` is `id` or `address`; an address may be written in any valid way."""
        if key == "id":
            return self.by_id.get(value)
        found = self.by_text.get(value)
        if found is None and ":" in value:
            try:
                found = self.by_text.get(str(ipaddress.ip_address(value)))
            except ValueError:
                return None
        return found

    def virtual_machine(self, key: str, value: str) -> Resource | None:
        """`key` is `id` or `fqdn`."""
        if key == "id":
            found = self.resources.get(value)
        else:
            found = next((r for r in self.resources.values() if r.hostname == value), None)
        return found if found is not None and found.type == VIRTUAL_MACHINE else None

    def by_id_or_text(self, id_or_text: str) -> Address | None:
        """An address by ID or by its text."""
        return self.address("id", id_or_text) or self.address("address", id_or_text)

    def apply(self, change: dict[str, str | None]) -> None:
        """Do one change: `{"ip_address": id, "resource": id|None, "organization": id|None}`.

        The reverse DNS follows the allocation: the VM's host name, or the default [seen].
        """
        address = self.by_id[str(change["ip_address"])]
        if address.organization_id is not None:
            self.holdings[address.organization_id].remove(address)
        resource_id = change["resource"]
        address.resource = self.resources[resource_id] if resource_id else None
        address.organization_id = change["organization"]
        address.reverse_dns = (
            address.resource.hostname
            if address.resource is not None
            else default_reverse_dns(address.address, address.version)
        )
        address.row = None
        if address.organization_id is not None:
            self.holdings[address.organization_id].add(address)
