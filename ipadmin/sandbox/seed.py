"""A world from a seed: the same numbers always give the same world, ids and all.

The addresses come from 198.18.0.0/15 (set aside for benchmarks) and 2001:db8::/32 (for
documentation), so that the sandbox has no real address.
"""

from __future__ import annotations

import random
import string
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

from .world import (
    VIRTUAL_MACHINE,
    Address,
    Network,
    Organization,
    Resource,
    World,
    default_reverse_dns,
)

ALPHABET = string.ascii_letters + string.digits
ROLES = ("web", "db", "mail", "app", "cache", "build", "vpn", "queue", "search", "files")
LABELS = ("shop-front", "mail-failover", "api-edge", "R&D <spare>")
FIRST_IPV4 = int(IPv4Address("198.18.0.0"))
LAST_IPV4 = int(IPv4Address("198.19.255.255"))
FIRST_IPV6 = int(IPv6Address("2001:db8:500::"))
YEARS = (2026, 2026, 2024, 2026, 2025, 2026, 2026)  # how answers look, in turn
BORN = 1_609_459_200  # 1 January 2021, in seconds since 1970

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


@dataclass
class Builder:
    """Makes ids, names and addresses one after another, all from one random stream."""

    rng: random.Random
    world: World = field(init=False)
    ipv4: int = FIRST_IPV4
    ipv6: int = FIRST_IPV6
    labels: int = 0
    subnets: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        network = Network(self.id("netw"), "Public Network", "uk-lon-01-public")
        self.world = World(network)
        self.world.user_id = self.id("user")

    def id(self, prefix: str) -> str:
        """An id as Katapult makes them: a prefix and 16 letters or digits [seen]."""
        return f"{prefix}_{''.join(self.rng.choices(ALPHABET, k=16))}"

    def organization(self, name: str, sub_domain: str, **state: bool) -> Organization:
        made = Organization(
            self.id("org"),
            name,
            sub_domain,
            created_at=BORN + self.rng.randrange(90_000_000),
            activated_at=None if state.get("waiting") else BORN + 100_000_000,
            suspended=state.get("suspended", False),
        )
        self.world.add_organization(made)
        return made

    def resource(self, type_: str, name: str, owner: Organization) -> Resource:
        host = f"{name}.{owner.infrastructure_domain}"
        made = Resource(self.id(PREFIXES[type_]), type_, name, host, owner.id)
        self.world.resources[made.id] = made
        return made

    def address(self, kind: str, owner: Organization, resource: Resource | None) -> None:
        """`kind`: `4`, `6`, or `v` for an IPv4 VIP. IPv6 takes over where IPv4 runs dry."""
        version = 6 if kind == "6" or self.ipv4 + 10 > LAST_IPV4 else 4
        text, mask, subnet = self.next_ipv4() if version == 4 else self.next_ipv6()
        serial = len(self.world.addresses)
        made = Address(
            serial,
            self.id("ip"),
            text,
            version,
            mask,
            subnet,
            owner.id,
            resource.hostname if resource else default_reverse_dns(text, version),
            vip=kind == "v",
            resource=resource,
            year=YEARS[serial % len(YEARS)],
        )
        if made.vip:
            made.label = LABELS[self.labels % len(LABELS)]
            self.labels += 1
        self.world.add_address(made)

    def next_ipv4(self) -> tuple[str, int, str]:
        """The next address of a /22 that is neither its network, gateway nor broadcast."""
        self.ipv4 += 1
        if self.ipv4 % 1024 >= 1022:
            self.ipv4 += 1024 - self.ipv4 % 1024 + 1
        base = self.ipv4 - self.ipv4 % 1024
        if base not in self.subnets:
            self.subnets[base] = self.id("sbnt")
        return str(IPv4Address(self.ipv4)), 22, self.subnets[base]

    def next_ipv6(self) -> tuple[str, int, str]:
        self.ipv6 += 1
        if FIRST_IPV6 not in self.subnets:
            self.subnets[FIRST_IPV6] = self.id("sbnt")
        return str(IPv6Address(self.ipv6)), 48, self.subnets[FIRST_IPV6]

    def fill(self, owner: Organization, count: int) -> None:
        """Give `owner` `count` addresses, turn by turn."""
        made = turn = 0
        while made < count:
            on, kinds = TURN[turn % len(TURN)]
            kinds = kinds[: count - made]
            resource = None
            if on is not None:
                number = turn // (len(ROLES)) + 1
                role = "lb" if on == "LoadBalancer" else ROLES[turn % len(ROLES)]
                resource = self.resource(on, f"{role}-{number:02d}", owner)
            for kind in kinds:
                self.address(kind, owner, resource)
            made += len(kinds)
            turn += 1

    def companions(self, owner: Organization) -> None:
        """VMs without an address: an idle one, one without an interface, one in the trash."""
        self.resource(VIRTUAL_MACHINE, "spare-01", owner)
        self.resource(VIRTUAL_MACHINE, "isolated-01", owner).has_interface = False
        self.resource(VIRTUAL_MACHINE, "retired-01", owner).in_trash = True


def build(seed: int, addresses: int) -> World:
    """A world of `addresses` addresses: three quarters in the first organization, the rest in the
    second. The other three own none: they are for special tokens.

    Raises ValueError for a number of addresses that is none.
    """
    if not isinstance(addresses, int) or addresses < 0:
        raise ValueError("addresses is a number of 0 or more")
    builder = Builder(random.Random(seed))  # noqa: S311 - a repeatable world, no secret
    first = builder.organization("Northwind Hosting", "northwind")
    second = builder.organization("Harbour Labs", "harbour-labs")
    builder.organization("Dormant Systems", "dormant", suspended=True)
    builder.organization("Early Days", "early-days", waiting=True)
    builder.organization("Blank Canvas", "blank-canvas")
    share = addresses // 4
    if addresses - share > 1:
        builder.address("4", first, builder.resource("Gateway", "gateway-01", first))
    builder.fill(first, addresses - share - len(builder.world.addresses))
    builder.fill(second, share)
    for owner in (first, second):
        builder.companions(owner)
    return builder.world
