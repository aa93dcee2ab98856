"""The sandbox's world: organizations, what addresses are allocated to, and the addresses.

The same seed always gives the same world, IDs included. The addresses come from 198.18.0.0/15 (set
aside for benchmarks) and 2001:db8::/32 (for documentation), so that it has no real address.
"""

from __future__ import annotations

import ipaddress
import random
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

import orjson

VIRTUAL_MACHINE = "VirtualMachine"
ALPHABET = string.ascii_letters + string.digits
ROLES = ("web", "db", "mail", "app", "cache", "build", "vpn", "queue", "search", "files")
LABELS = ("shop-front", "mail-failover", "api-edge", "R&D <spare>")
YEARS = (2026, 2026, 2024, 2026, 2025, 2026, 2026)  # how answers look, in turn
BORN = 1_609_459_200  # 1 January 2021, in seconds since 1970
KEEP_UNTIL = 4_102_444_800  # 1 January 2100

# One turn of what an organization owns: what the addresses are on, and their kinds. `v` is a VIP.
# Two turns never pass without one of each, so that a small world has everything.
TURN: tuple[tuple[str | None, str], ...] = (
    (VIRTUAL_MACHINE, "4"),
    (VIRTUAL_MACHINE, "46"),
    (None, "4"),
    ("LoadBalancer", "4"),
    (VIRTUAL_MACHINE, "44"),
    (None, "v"),
    (VIRTUAL_MACHINE, "4v"),
    (None, "6"),
    (VIRTUAL_MACHINE, "6"),
)
PREFIXES = {VIRTUAL_MACHINE: "vm", "LoadBalancer": "lb", "Gateway": "gtwy"}


@dataclass(slots=True)
class Organization:
    id: str
    name: str
    sub_domain: str
    created_at: int  # seconds since 1970, as the vendor's OpenAPI has it [doc]
    activated_at: int | None
    suspended: bool
    infrastructure_domain: str
    managed: bool = False


@dataclass(slots=True)
class Resource:
    """Something an address can be allocated to; `type` is what the API calls it."""

    id: str
    type: str
    name: str
    fqdn: str
    organization: str  # its ID
    has_interface: bool = True
    keep_until: int | None = None  # of a machine in the trash, in seconds since 1970

    @property
    def in_trash(self) -> bool:
        return self.keep_until is not None


@dataclass(slots=True)
class Address:
    id: str
    address: str
    version: int
    mask: int
    subnet_id: str
    organization: str | None  # its ID; None: released
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
            self.reverse_dns = resource.fqdn
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
        self._by_resource: dict[str, list[Address]] | None = None
        self._machines: dict[str, list[Resource]] = {}
        self._rendered: dict[tuple[object, ...], orjson.Fragment] = {}

    def add_address(self, address: Address) -> None:
        self.addresses[address.id] = address
        self._by_text[address.address] = address

    def address(self, key: str, value: str) -> Address | None:
        """`key` is `id` or `address`; an address may be written in any valid way."""
        if key == "id":
            return self.addresses.get(value)
        try:
            return self._by_text.get(str(ipaddress.ip_address(value)))
        except ValueError:
            return None

    def listed(self, organization_id: str, allocated: bool | None) -> list[Address]:
        """The organization's addresses in the order of purchase; all, if `allocated` is None."""
        key = organization_id, allocated
        if key not in self._listed:
            self._listed[key] = [
                each
                for each in self.addresses.values()
                if each.organization == organization_id
                and allocated in {None, each.resource is not None}
            ]
        return self._listed[key]

    def organizations_by_id(self) -> dict[str, Organization]:
        return {each.id: each for each in self.organizations}

    def machines(self, organization_id: str) -> list[Resource]:
        """The virtual machines that a list has: not those in the trash."""
        if organization_id not in self._machines:
            self._machines[organization_id] = [
                each
                for each in self.resources.values()
                if each.type == VIRTUAL_MACHINE
                and each.organization == organization_id
                and not each.in_trash
            ]
        return self._machines[organization_id]

    def addresses_by_resource(self) -> dict[str, list[Address]]:
        """The addresses of each machine and other resource, by its ID."""
        if self._by_resource is None:
            self._by_resource = {}
            for each in self.addresses.values():
                if each.resource:
                    self._by_resource.setdefault(each.resource.id, []).append(each)
        return self._by_resource

    def rendered(self, key: tuple[object, ...], rows: Callable[[], object]) -> orjson.Fragment:
        """The JSON of `rows`, made once until anything changes."""
        if key not in self._rendered:
            self._rendered[key] = orjson.Fragment(orjson.dumps(rows()))
        return self._rendered[key]

    def change(
        self,
        ip_address: str,
        resource: str | None,
        organization: str | None,
        reverse_dns: str | None = None,
    ) -> Address:
        """Allocate an address to a resource, and give it to an organization. All are IDs. Without
        `reverse_dns`, it follows the allocation."""
        address = self.addresses[ip_address]
        address.allocate(self.resources[resource] if resource else None)
        address.organization = organization
        address.reverse_dns = reverse_dns or address.reverse_dns
        self._listed.clear()
        self._rendered.clear()
        self._by_resource = None
        return address

    def trash(self, machine: Resource, keep_until: int | None) -> None:
        """Move a machine into the trash, or out of it (None)."""
        machine.keep_until = keep_until
        self._machines.clear()
        self._rendered.clear()


class Builder:
    """Makes IDs, names and addresses one after another, all from one random stream."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)  # noqa: S311 - a repeatable world, no secret
        self.world = World(self.id("netw"), self.id("user"))
        self.ipv4, self.ipv6 = self.ipv4_addresses(), self.ipv6_addresses()
        self.labels = 0

    def id(self, prefix: str) -> str:
        """An ID as Katapult makes them: a prefix and 16 letters or digits [seen]."""
        return f"{prefix}_{''.join(self.rng.choices(ALPHABET, k=16))}"

    def organization(
        self, name: str, sub_domain: str, *, suspended: bool = False, activated: bool = True
    ) -> Organization:
        made = Organization(
            self.id("org"),
            name,
            sub_domain,
            BORN + self.rng.randrange(90_000_000),
            BORN + 100_000_000 if activated else None,
            suspended,
            f"{sub_domain}.katapult.cloud",
        )
        self.world.organizations.append(made)
        return made

    def resource(self, type_: str, name: str, owner: Organization) -> Resource:
        host = f"{name}.{owner.infrastructure_domain}"
        made = Resource(self.id(PREFIXES[type_]), type_, name, host, owner.id)
        self.world.resources[made.id] = made
        return made

    def address(self, kind: str, owner: Organization, resource: Resource | None) -> None:
        """`kind`: `4`, `6`, or `v` for an IPv4 VIP. IPv6 takes over where IPv4 runs dry."""
        ipv4 = None if kind == "6" else next(self.ipv4, None)
        text, mask, subnet = ipv4 or next(self.ipv6)
        label = None
        if kind == "v":
            label = LABELS[self.labels % len(LABELS)]
            self.labels += 1
        year = YEARS[len(self.world.addresses) % len(YEARS)]
        version = 4 if ipv4 else 6
        made = Address(self.id("ip"), text, version, mask, subnet, owner.id, resource, year, label)
        self.world.add_address(made)

    def ipv4_addresses(self) -> Iterator[tuple[str, int, str]]:
        """Text, mask and ID of the subnet; no network, gateway or broadcast address."""
        for network in ipaddress.ip_network("198.18.0.0/15").subnets(new_prefix=22):
            subnet = self.id("sbnt")
            yield from ((str(network[number]), 22, subnet) for number in range(1, 1022))

    def ipv6_addresses(self) -> Iterator[tuple[str, int, str]]:
        subnet = self.id("sbnt")
        first = ipaddress.IPv6Address("2001:db8:500::1")
        yield from ((str(first + number), 48, subnet) for number in count())

    def fill(self, owner: Organization, count: int) -> None:
        """Give `owner` `count` addresses, turn by turn."""
        made = turn = 0
        while made < count:
            on, kinds = TURN[turn % len(TURN)]
            kinds = kinds[: count - made]
            resource = None
            if on is not None:
                role = "lb" if on == "LoadBalancer" else ROLES[turn % len(ROLES)]
                resource = self.resource(on, f"{role}-{turn // len(ROLES) + 1:02d}", owner)
            for kind in kinds:
                self.address(kind, owner, resource)
            made += len(kinds)
            turn += 1


def build(seed: int, addresses: int) -> World:
    """A world of `addresses` addresses: three quarters in the first organization, the rest in the
    second. The other three own none: they are for special tokens.

    Raises ValueError for a number of addresses that is none.
    """
    if not isinstance(addresses, int) or addresses < 0:
        raise ValueError("addresses is a number of 0 or more")
    builder = Builder(seed)
    first = builder.organization("Northwind Hosting", "northwind")
    second = builder.organization("Harbour Labs", "harbour-labs")
    builder.organization("Dormant Systems", "dormant", suspended=True)
    builder.organization("Early Days", "early-days", activated=False)
    builder.organization("Blank Canvas", "blank-canvas")
    share = addresses // 4
    if addresses - share > 1:
        builder.address("4", first, builder.resource("Gateway", "gateway-01", first))
    builder.fill(first, addresses - share - len(builder.world.addresses))
    builder.fill(second, share)
    for owner in (first, second):
        builder.resource(VIRTUAL_MACHINE, "spare-01", owner)
        builder.resource(VIRTUAL_MACHINE, "isolated-01", owner).has_interface = False
        retired = builder.resource(VIRTUAL_MACHINE, "retired-01", owner)
        retired.keep_until = KEEP_UNTIL
        mine = builder.world.listed(owner.id, allocated=True)
        on_vms = [each for each in mine if each.resource and each.resource.type == VIRTUAL_MACHINE]
        if len(on_vms) > 10:
            on_vms[-1].allocate(retired)
    return builder.world
