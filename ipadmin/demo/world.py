"""Who and what a made-up history is about: people and their tokens, addresses, machines."""

from __future__ import annotations

import random
import string
from bisect import bisect
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from itertools import accumulate
from typing import Any
from uuid import UUID

from ipadmin.models.audit_entry import keys_of

Fields = dict[str, Any]

ALPHABET = string.ascii_letters + string.digits
LIVE, SANDBOX = "https://api.katapult.io", "http://127.0.0.1:8501"
# Name, sub-domain, share of the addresses and of the tokens.
ORGANIZATIONS = (
    ("Northwind Hosting", "northwind", 0.6),
    ("Harbour Labs", "harbour-labs", 0.3),
    ("Blue Quarry", "blue-quarry", 0.1),
)
# Ids that no sign-up reaches: these people can't be taken for those who use the site.
FIRST_PERSON = 1_000_001
# The first is the busiest, the last hardly ever acts.
PEOPLE = (
    "ines.almeida",
    "ravi.menon",
    "tomasz.wilk",
    "hanne.dahl",
    "joe.mensah",
    "carla.ricci",
    "owen.pryce",
    "mei.tan",
    "anders.holm",
    "zoe.hart",
    "luca.ferri",
    "nadia.amari",
    "paul.weiss",
    "ewa.nowak",
    "sam.carter",
    "ilse.maes",
    "yusuf.kaya",
    "greta.lind",
    "omar.haddad",
    "fiona.reid",
    "ivan.petrov",
    "june.park",
    "max.huber",
    "lea.moreau",
    "dan.okoro",
    "rosa.vega",
    "karl.berg",
    "tess.quinn",
    "noor.aziz",
    "will.frost",
)
BUSIEST = 0.21
# How much of what a person does is done with their second token, and with the one for the sandbox.
OF_SECOND, OF_SANDBOX = 0.25, 0.05

NETWORKS = ("185.44.252.0/22", *(f"198.19.{third}.0/22" for third in (0, 4, 8, 12)))
SANDBOX_NETWORK = "198.18.0.0/22"
NETWORK6 = "2001:db8:44::/48"
IN_EACH, IN_NETWORK6, IN_SANDBOX = 1000, 900, 100
# How much more often the first addresses of a pool are drawn than the last.
SKEW = 1.6

# Over the whole history, and at any one time.
MACHINES, ALIVE = 9000, 2500
ROLES = ("web", "db", "mail", "app", "cache", "build", "vpn", "queue", "search", "files")
LABELS = ("shop-front", "mail-failover", "api-edge", "vpn-gateway")


@dataclass(slots=True)
class Machine:
    """What an address is allocated to; `allocation` is the part of it that readings keep."""

    allocation: dict[str, str]
    fields: Fields
    is_balancer: bool


@dataclass(slots=True)
class Address:
    fields: Fields
    organization: int
    # None: allocated to nothing, or nothing was said of it yet.
    machine: Machine | None = None


@dataclass(slots=True)
class Token:
    """A person's token, with all an entry says of the person."""

    fields: Fields
    sources: tuple[str, ...]
    addresses: list[Address]
    permitted: int = 100


@dataclass(slots=True)
class World:
    rng: random.Random
    # How much of the history has passed, from 0 to 1.
    progress: float = 0.0
    # By organization; the last are the sandbox's.
    pools: list[list[Address]] = field(init=False)
    machines: list[list[Machine]] = field(init=False)
    tokens: list[Token] = field(init=False)
    rare_token: Token = field(init=False)
    _shares: list[float] = field(init=False)

    def __post_init__(self) -> None:
        ids = [self._id("org") for _ in ORGANIZATIONS]
        self.machines = [self._machines(*each[1:]) for each in ORGANIZATIONS]
        self.pools = [[] for _ in (*ORGANIZATIONS, SANDBOX)]
        for text in NETWORKS:
            self._add_addresses(IPv4Network(text), IN_EACH)
        self._add_addresses(IPv6Network(NETWORK6), IN_NETWORK6)
        self._add_addresses(IPv4Network(SANDBOX_NETWORK), IN_SANDBOX, pool=len(ORGANIZATIONS))
        for pool in self.pools:
            self.rng.shuffle(pool)
        self.tokens, shares = [], []
        for number, name in enumerate(PEOPLE):
            theirs = self._tokens(number, name, ids)
            second = OF_SANDBOX if theirs[-1].addresses is self.pools[-1] else OF_SECOND
            self.tokens += theirs
            shares += [_share(number) * part for part in _parts(len(theirs), second)]
        self.rare_token = self.tokens[-1]
        self._shares = list(accumulate(shares))

    def token(self) -> Token:
        return self.tokens[bisect(self._shares, self.rng.random() * self._shares[-1])]

    def address(self, token: Token) -> Address:
        return token.addresses[int(self.rng.random() ** SKEW * len(token.addresses))]

    def machine(self, address: Address) -> Machine:
        """One of those that are there at this time."""
        machines = self.machines[address.organization]
        alive = ALIVE * len(machines) // MACHINES
        first = self.progress * (len(machines) - alive)
        return machines[int(first + self.rng.random() * alive)]

    def _id(self, prefix: str) -> str:
        return f"{prefix}_{''.join(self.rng.choices(ALPHABET, k=16))}"

    def _organization(self) -> int:
        return bisect(list(accumulate(each[2] for each in ORGANIZATIONS)), self.rng.random())

    def _machines(self, sub_domain: str, share: float) -> list[Machine]:
        return [self._machine(sub_domain, number) for number in range(int(MACHINES * share))]

    def _machine(self, sub_domain: str, number: int) -> Machine:
        is_balancer = number % 60 == 59
        role = "lb" if is_balancer else ROLES[number * 7 % len(ROLES)]
        name = f"{role}-{number // len(ROLES) + 1:03d}"
        allocation = {
            "allocation_id": self._id("lb" if is_balancer else "vm"),
            "allocation_type": "LoadBalancer" if is_balancer else "VirtualMachine",
            "allocation_name": name,
        }
        fields = {**allocation, "reverse_dns": f"{name}.{sub_domain}.katapult.cloud"}
        return Machine(allocation, fields | keys_of(fields), is_balancer)

    def _add_addresses(
        self, network: IPv4Network | IPv6Network, count: int, pool: int | None = None
    ) -> None:
        # The first two are the network's own and its gateway's.
        for number in range(2, count + 2):
            is_vip = number % 25 == 7
            fields = {
                "address_id": self._id("ip"),
                "address": str(network[number]),
                "address_label": LABELS[number % len(LABELS)] if is_vip else "",
                "vip": is_vip,
            }
            organization = self._organization() if pool is None else 0
            made = Address(fields | keys_of(fields), organization)
            self.pools[organization if pool is None else pool].append(made)

    def _tokens(self, number: int, name: str, ids: list[str]) -> list[Token]:
        """Every other person has a second one; one of those is for the sandbox."""
        first = 0 if number == 0 else self._organization()
        sources = tuple(f"192.0.2.{10 + number * 3 + n}" for n in range(1 + number % 3))
        tokens = [self._token(number, name, first, ids, sources)]
        if number % 2 == 0:
            second = (first + 1) % len(ORGANIZATIONS)
            is_sandbox = number == 4
            tokens.append(self._token(number, name, second, ids, sources, is_sandbox=is_sandbox))
        return tokens

    def _token(
        self,
        number: int,
        name: str,
        organization: int,
        ids: list[str],
        sources: tuple[str, ...],
        *,
        is_sandbox: bool = False,
    ) -> Token:
        title, sub_domain, _ = ORGANIZATIONS[organization]
        fields = {
            "user_id": FIRST_PERSON + number,
            "user_name": name,
            "token_id": UUID(int=self.rng.getrandbits(128), version=4),
            "token_label": "Sandbox" if is_sandbox else title,
            "token_fingerprint": f"{self.rng.getrandbits(64):016x}",
            "organization_id": ids[organization],
            "organization_name": title,
            "organization_sub_domain": sub_domain,
            "environment": "sandbox" if is_sandbox else "live",
            "api_url": SANDBOX if is_sandbox else LIVE,
        }
        pool = self.pools[len(ORGANIZATIONS) if is_sandbox else organization]
        return Token(fields | keys_of(fields), sources, pool)


def _parts(tokens: int, second: float) -> tuple[float, ...]:
    return (1.0,) if tokens == 1 else (1 - second, second)


def _share(number: int) -> float:
    """Of all entries, those of the nth person; the last has a fixed number of them instead."""
    if number == 0:
        return BUSIEST
    if number == len(PEOPLE) - 1:
        return 0.0
    weights = [1 / (n + 1) for n in range(1, len(PEOPLE) - 1)]
    return (1 - BUSIEST) * weights[number - 1] / sum(weights)
