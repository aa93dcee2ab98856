"""The JSON of each answer, with the keys the live API sends and types the vendor's OpenAPI names.

Rows of a list are cached as text, because a page has up to 200 of them.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from .world import Address, Network, Organization, World

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


def dump(body: Any) -> str:
    """Compact JSON, with letters of every alphabet as they are."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def row(address: Address) -> str:
    """One address of a list: no label, network or name of what it is allocated to [doc]."""
    if address.row is None:
        resource = address.resource
        address.row = dump(
            {
                "id": address.id,
                "address": address.address,
                "reverse_dns": address.reverse_dns,
                "vip": address.vip,
                "allocation_id": resource.id if resource else None,
                "allocation_type": resource.type if resource else None,
            }
        )
    return address.row


def network(network: Network, year: int) -> dict[str, Any]:
    """`default` is missing in answers from before 2025 [seen]."""
    body = asdict(network)
    if year >= 2025:
        body["default"] = True
    body["data_center"] = LONDON
    return body


def subnet(address: Address) -> dict[str, Any]:
    if address.version == 4:
        first, second, third, _ = address.address.split(".")
        base = int(third) & ~3
        start, gateway = f"{first}.{second}.{base}.0", f"{first}.{second}.{base + 3}.254"
    else:
        start, gateway = "2001:db8:500::", "2001:db8:500:ffff:ffff:ffff:ffff:ffff"
    return {
        "id": address.subnet_id,
        "address": start,
        "gateway": gateway,
        "mask": address.mask,
        "billable": address.version == 4,
        "version": address.version,
    }


def ip_address(world: World, address: Address) -> dict[str, Any]:
    """An address in full; `subnet` is missing in answers from before 2026 [seen]."""
    body: dict[str, Any] = {
        "id": address.id,
        "address": address.address,
        "reverse_dns": address.reverse_dns,
        "vip": address.vip,
        "label": address.label,
        "address_with_mask": f"{address.address}/{address.mask}",
        "network": network(world.network, address.year),
    }
    if address.year >= 2026:
        body["subnet"] = subnet(address)
    body["allocation_id"] = address.resource.id if address.resource else None
    body["allocation_type"] = address.resource.type if address.resource else None
    return body


def allocation(address: Address) -> dict[str, Any] | None:
    """`{"type", "value"}` as every recording has it [seen]."""
    if address.resource is None:
        return None
    value = {"id": address.resource.id, "name": address.resource.name}
    return {"type": address.resource.type, "value": value}


def flat_allocation(text: str) -> str:
    """An answer with its allocation, if there is one, as the reference shows it [doc]."""
    body = json.loads(text)
    if allocated := body.get("allocation"):
        body["allocation"] = allocated["value"]
    return dump(body)


def organization(organization: Organization) -> dict[str, Any]:
    return asdict(organization) | {
        "infrastructure_domain": organization.infrastructure_domain,
        "managed": False,
    }


def organization_part(organization: Organization) -> dict[str, Any]:
    """The three keys `GET /users/current` has of an organization [doc]."""
    return {
        "id": organization.id,
        "name": organization.name,
        "sub_domain": organization.sub_domain,
    }


def page(world: World, serials: list[int], pagination: dict[str, Any]) -> str:
    rows = ",".join([row(world.addresses[serial]) for serial in serials])
    return f'{{"pagination":{dump(pagination)},"ip_addresses":[{rows}]}}'
