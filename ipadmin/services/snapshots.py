"""The stored inventory of each token: in the database for all processes, and parsed in memory."""

from __future__ import annotations

import socket
import threading
import uuid
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

import orjson
import structlog
from django.db import Error, transaction

from ipadmin.katapult.types import Allocation, IPAddress
from ipadmin.models import ApiToken, InventorySnapshot

log = structlog.get_logger(__name__)

# Changes with the shape of the content; others are ignored and read anew.
FORMAT = 1
# Addresses of all inventories that a process keeps parsed: some 60 MiB for 100,000.
ADDRESSES_IN_MEMORY = 200_000


@dataclass(frozen=True, slots=True)
class Machine:
    """The name of a virtual machine: Katapult's of now, or that of an audit entry of `as_of`."""

    id: str
    name: str
    zone: str | None = None
    as_of: datetime | None = None


@dataclass(frozen=True)
class Inventory:
    """An organization's addresses in numeric order, and the time just before they were read.

    `machines` are names by id: those that Katapult lists if `has_names`, else those in the audit
    history. `total` is Katapult's count of the addresses, where it gave one.
    """

    addresses: tuple[IPAddress, ...]
    read_at: datetime
    is_complete: bool = True
    total: int | None = None
    machines: Mapping[str, Machine] = field(default_factory=dict, repr=False)
    has_names: bool = False

    @cached_property
    def by_id(self) -> dict[str, IPAddress]:
        return {ip.id: ip for ip in self.addresses}

    @cached_property
    def positions(self) -> dict[str, int]:
        """The index in `addresses` by the text of an address."""
        return {ip.address: index for index, ip in enumerate(self.addresses)}

    @cached_property
    def texts(self) -> list[str]:
        """What a search looks through, for each address: lower case, one line a value."""
        return [self._text(ip) for ip in self.addresses]

    @cached_property
    def types(self) -> list[str]:
        """The types of what the addresses are allocated to."""
        found = {ip.allocation.type for ip in self.addresses if ip.allocation}
        return sorted(type for type in found if type)

    @property
    def listed_machines(self) -> int:
        """How many machines Katapult listed."""
        return sum(machine.as_of is None for machine in self.machines.values())

    def machine_name(self, id: str) -> str:
        machine = self.machines.get(id)
        return machine.name if machine else ""

    def _text(self, ip: IPAddress) -> str:
        parts = [ip.address, ip.reverse_dns or "", ip.id]
        if of := ip.allocation:
            parts += [of.id, of.type or "", of.name or "", self.machine_name(of.id)]
        return "\n".join(filter(None, parts)).lower()


def number(ip: IPAddress) -> tuple[int, int, str]:
    """Sort key: addresses as numbers, IPv4 first; texts that are no address come last."""
    # Ten times as fast as `ipaddress`.
    version, family = (6, socket.AF_INET6) if ":" in ip.address else (4, socket.AF_INET)
    try:
        packed = socket.inet_pton(family, ip.address)
    except (OSError, ValueError):
        return (9, 0, ip.address)
    return (version, int.from_bytes(packed), "")


def load(token: ApiToken) -> Inventory | None:
    """The last inventory of a token, of any age; None if there is none that can be read."""
    stored = InventorySnapshot.objects.filter(token=token)
    version = stored.values_list("read_at", flat=True).first()
    if version is None:
        return None
    with _lock:
        known = _parsed.get(token.pk)
    if known and known.read_at == version:
        _keep(token.pk, known)
        return known
    row = stored.first()
    if row is None or (inventory := _unpack(row)) is None:
        return None
    _keep(token.pk, inventory)
    return inventory


def store(token: ApiToken, inventory: Inventory) -> None:
    """Keep the inventory for all processes. A failure is only logged: it can be read again."""
    _keep(token.pk, inventory)
    fields = {
        "read_at": inventory.read_at,
        "total": inventory.total,
        "is_complete": inventory.is_complete,
        "address_count": len(inventory.addresses),
        "allocated_count": sum(ip.allocation is not None for ip in inventory.addresses),
        "content": _pack(inventory),
    }
    try:
        with transaction.atomic():
            InventorySnapshot.objects.update_or_create(token=token, defaults=fields)
    except Error:
        log.exception("inventory_not_stored", token_id=str(token.pk))


def forget(token: ApiToken) -> None:
    """Remove the inventory of a token, in every process."""
    InventorySnapshot.objects.filter(token=token).delete()


_parsed: dict[uuid.UUID, Inventory] = {}
_lock = threading.Lock()


def _keep(token_id: uuid.UUID, inventory: Inventory) -> None:
    """Keep it parsed, and drop those that were used least recently."""
    with _lock:
        _parsed.pop(token_id, None)
        _parsed[token_id] = inventory
        total = sum(len(each.addresses) for each in _parsed.values())
        while total > ADDRESSES_IN_MEMORY and len(_parsed) > 1:
            total -= len(_parsed.pop(next(iter(_parsed))).addresses)


def _pack(inventory: Inventory) -> bytes:
    addresses = [
        (ip.id, ip.address, ip.reverse_dns, ip.vip, *_packed_allocation(ip.allocation))
        for ip in inventory.addresses
    ]
    content = {
        "format": FORMAT,
        "addresses": addresses,
        "machines": [(m.id, m.name, m.zone, m.as_of) for m in inventory.machines.values()],
        "has_names": inventory.has_names,
    }
    return zlib.compress(orjson.dumps(content), level=1)


def _packed_allocation(of: Allocation | None) -> tuple[str | None, str | None, str | None]:
    return (of.id, of.type, of.name) if of else (None, None, None)


def _unpack(row: InventorySnapshot) -> Inventory | None:
    try:
        content = orjson.loads(zlib.decompress(row.content))
        if content["format"] != FORMAT:
            return None
        # One object for each machine, however many addresses it has.
        shared: dict[tuple[str, str | None, str | None], Allocation] = {}
        addresses = []
        for id, address, reverse_dns, vip, of_id, of_type, of_name in content["addresses"]:
            of = None
            if of_id is not None:
                key = (of_id, of_type, of_name)
                of = shared.get(key) or shared.setdefault(key, Allocation(*key))
            addresses.append(IPAddress(id, address, reverse_dns, vip, of))
        machines = {
            id: Machine(id, name, zone, datetime.fromisoformat(as_of) if as_of else None)
            for id, name, zone, as_of in content["machines"]
        }
        has_names = content["has_names"]
    except (zlib.error, ValueError, KeyError, TypeError):
        log.exception("inventory_not_readable", token_id=str(row.token_id))
        return None
    ordered = tuple(addresses)
    return Inventory(ordered, row.read_at, row.is_complete, row.total, machines, has_names)
