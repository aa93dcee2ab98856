"""The JSON of each answer, with the keys and types of the live API and the vendor's OpenAPI."""

from __future__ import annotations

from dataclasses import asdict
from ipaddress import ip_network

from .world import Address, Organization, Resource, World

Body = dict[str, object]

LONDON = {
    "id": "loc_UUhPmoCbpic6UX0Y",
    "name": "London",
    "permalink": "uk-lon-01",
    "country": {
        "id": "ctry_6AO9tYYugvTGnd5b",
        "name": "United Kingdom",
        "iso_code2": "GB",
        "iso_code3": "GBR",
        "time_zone": "Europe/London",
        "eu": False,
    },
}


def row(address: Address) -> Body:
    """One address of a list: no label, network or name of what it is allocated to [doc]."""
    return {
        "id": address.id,
        "address": address.address,
        "reverse_dns": address.reverse_dns,
        "vip": address.vip,
        **allocation_ids(address),
    }


def allocation_ids(address: Address) -> Body:
    resource = address.resource
    return {
        "allocation_id": resource.id if resource else None,
        "allocation_type": resource.type if resource else None,
    }


def ip_address(world: World, address: Address) -> Body:
    """An address in full. `network.default` is missing in answers from before 2025, and `subnet` in
    those from before 2026 [seen]."""
    network = {"id": world.network_id, "name": "Public Network", "permalink": "uk-lon-01-public"}
    default = {"default": True} if address.year >= 2025 else {}
    return {
        "id": address.id,
        "address": address.address,
        "reverse_dns": address.reverse_dns,
        "vip": address.vip,
        "label": address.label,
        "address_with_mask": f"{address.address}/{address.mask}",
        "network": network | default | {"data_center": LONDON},
        **({"subnet": subnet(address)} if address.year >= 2026 else {}),
        **allocation_ids(address),
    }


def subnet(address: Address) -> Body:
    network = ip_network(f"{address.address}/{address.mask}", strict=False)
    gateway = network[-2] if address.version == 4 else network[-1]
    return {
        "id": address.subnet_id,
        "address": str(network[0]),
        "gateway": str(gateway),
        "mask": address.mask,
        "billable": address.version == 4,
        "version": address.version,
    }


def allocation(address: Address) -> Body | None:
    """`{"type", "value"}` as every recording has it [seen]."""
    if address.resource is None:
        return None
    value = {"id": address.resource.id, "name": address.resource.name}
    return {"type": address.resource.type, "value": value}


def organization(organization: Organization) -> Body:
    return asdict(organization) | {
        "infrastructure_domain": organization.infrastructure_domain,
        "managed": False,
    }


def trash_object(machine: Resource) -> Body:
    """What the vendor's clients read out of `object_in_trash` [doc]."""
    return {
        "id": machine.id.replace("vm_", "trsh_"),
        "keep_until": 4_102_444_800,
        "object_id": machine.id,
        "object_type": machine.type,
    }
