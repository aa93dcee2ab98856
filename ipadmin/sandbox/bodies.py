"""The bodies of responses, with the keys and types of the live API and the vendor's OpenAPI."""

from __future__ import annotations

from ipaddress import ip_network

from .world import Address, Organization, Resource, World

Body = dict[str, object]

# In the response about any machine; tests look for it everywhere else.
ROOT_PASSWORD = "initial-root-password-of-the-sandbox"  # noqa: S105
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


def list_row(address: Address) -> Body:
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


def address_body(world: World, address: Address) -> Body:
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


def allocation_body(address: Address) -> Body | None:
    """`{"type", "value"}` as every recording has it [seen]."""
    if address.resource is None:
        return None
    value = {"id": address.resource.id, "name": address.resource.name}
    return {"type": address.resource.type, "value": value}


def machine_row(machine: Resource) -> Body:
    """What a list and a single answer have in common [doc, seen]."""
    return {
        "id": machine.id,
        "name": machine.name,
        "hostname": machine.name,
        "fqdn": machine.fqdn,
        "created_at": 1_700_000_000,
        "zone": {"id": "zone_kY2sPRG24sJVRM2U", "name": "North West", "permalink": "north-west"},
        "package": {"id": "vmpkg_YlqvfsKqZJODtvjG", "name": "ROCK-3", "permalink": "rock-3"},
        "gpu_type": None,
    }


def machine_body(world: World, machine: Resource, addresses: list[Address]) -> Body:
    """With `initial_root_password`, as live [seen]: clients must not keep it."""
    owner = world.organizations_by_id()[machine.organization]
    return machine_row(machine) | {
        "description": None,
        "initial_root_password": ROOT_PASSWORD,
        "state": "started" if machine.has_interface else "stopped",
        "organization": organization_body(owner),
        "group": None,
        "tag_names": [machine.name.partition("-")[0], "production"],
        "suspended": False,
        "ip_addresses": [address_body(world, each) for each in addresses],
    }


def organization_body(organization: Organization) -> Body:
    """An organization within another object: three keys only [doc]."""
    of = organization
    return {"id": of.id, "name": of.name, "sub_domain": of.sub_domain}


def trash_object(machine: Resource) -> Body:
    """What the vendor's clients read out of `object_in_trash` [doc]."""
    return {
        "id": machine.id.replace("vm_", "trsh_"),
        "keep_until": machine.keep_until,
        "object_id": machine.id,
        "object_type": machine.type,
    }
