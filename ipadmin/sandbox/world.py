"""The sandbox's world: organizations, what addresses are allocated to, and the addresses."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

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
class Address:
    id: str
    address: str
    version: int
    mask: int
    subnet_id: str
    organization_id: str | None  # None: released
    resource: Resource | None
    year: int  # answers as then: no subnet before 2026, no network.default before 2025
    label: str | None = None  # of VIPs only
    reverse_dns: str = ""

    def __post_init__(self) -> None:
        self.allocate(self.resource)

    @property
    def vip(self) -> bool:
        return self.label is not None

    def allocate(self, resource: Resource | None) -> None:
        """With the reverse DNS that follows: the machine's host name, or the default [seen]."""
        self.resource = resource
        if resource is not None:
            self.reverse_dns = resource.hostname
        elif self.version == 4:
            self.reverse_dns = self.address.replace(".", "-") + ".rdns.katapult.io"
        else:
            self.reverse_dns = self.address.replace(":", "-") + ".rdns.k.io"


class World:
    """Everything that exists, indexed for lookups and pages."""

    def __init__(self, network_id: str, user_id: str) -> None:
        self.network_id = network_id
        self.user_id = user_id
        self.organizations: list[Organization] = []
        self.resources: dict[str, Resource] = {}
        self.addresses: dict[str, Address] = {}  # by ID
        self._by_text: dict[str, Address] = {}
        self._listed: dict[tuple[str, bool | None], list[Address]] = {}

    def add_address(self, address: Address) -> None:
        self.addresses[address.id] = address
        self._by_text[address.address] = address

    def organization(self, key: str, value: str) -> Organization | None:
        """`key` is `id` or `sub_domain`."""
        return next((o for o in self.organizations if getattr(o, key) == value), None)

    def address(self, key: str, value: str) -> Address | None:
        """`key` is `id` or `address`; an address may be written in any valid way."""
        if key == "id":
            return self.addresses.get(value)
        try:
            return self._by_text.get(str(ipaddress.ip_address(value)))
        except ValueError:
            return None

    def virtual_machine(self, key: str, value: str) -> Resource | None:
        """`key` is `id` or `fqdn`."""
        if key == "id":
            found = self.resources.get(value)
        else:
            found = next((r for r in self.resources.values() if r.hostname == value), None)
        return found if found is not None and found.type == VIRTUAL_MACHINE else None

    def listed(self, organization_id: str, allocated: bool | None) -> list[Address]:
        """The organization's addresses in the order of purchase; all, if `allocated` is None."""
        key = organization_id, allocated
        if key not in self._listed:
            self._listed[key] = [
                each
                for each in self.addresses.values()
                if each.organization_id == organization_id
                and allocated in {None, each.resource is not None}
            ]
        return self._listed[key]

    def change(self, ip_address: str, resource: str | None, organization: str | None) -> None:
        """Allocate an address to a resource, and give it to an organization. All are IDs."""
        address = self.addresses[ip_address]
        address.allocate(self.resources[resource] if resource else None)
        address.organization_id = organization
        self._listed.clear()
