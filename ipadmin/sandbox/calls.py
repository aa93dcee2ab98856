"""The calls of the API: one table, `CALLS`, and a function for each that answers it, with the keys
and types of the live API and the vendor's OpenAPI.

To add a call, add its function and a line in the table. Nothing else needs to know it: routing,
tokens, rate limit, scopes, lookups, ledger and faults work from the table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from ipaddress import ip_network
from typing import TypeVar

from .arguments import Arguments
from .errors import ApiError
from .state import Entry, State
from .tokens import Token
from .world import VIRTUAL_MACHINE, Address, Organization, Resource, World

DEFAULT_PER_PAGE, MOST_PER_PAGE = 30, 200
UNKNOWN_CALL = "unknown"
Body = dict[str, object]
T = TypeVar("T")


@dataclass(slots=True)
class Context:
    """What a call works with. Its lookups see what belongs to the token's organizations."""

    state: State
    entry: Entry
    token: Token
    arguments: Arguments
    large_set: bool

    def organizations(self) -> list[Organization]:
        return [self.state.world.organizations[owner] for owner in self.token.owners]

    def owns(self, organization_id: str | None) -> bool:
        return organization_id in {each.id for each in self.organizations()}

    def machines(self) -> list[Resource]:
        resources = self.state.world.resources.values()
        return [r for r in resources if r.type == VIRTUAL_MACHINE and self.owns(r.organization)]

    def find(self, name: str, among: Iterable[T]) -> T:
        """The object that the lookup `name` means. Raises ApiError."""
        key, value = self.arguments.lookup(name)
        for each in among:
            if getattr(each, key) == value:
                return each
        raise ApiError(f"{name}_not_found")

    def organization(self) -> Organization:
        found = self.find("organization", self.organizations())
        if found.suspended:
            raise ApiError("organization_suspended")
        if found.activated_at is None:
            raise ApiError("organization_not_activated")
        return found

    def ip_address(self) -> Address:
        """Unlike `find`, with an index, and in any spelling of an address."""
        found = self.state.world.address(*self.arguments.lookup("ip_address"))
        if found is None or not self.owns(found.organization):
            raise ApiError("ip_address_not_found")
        return found

    def allocate(self, address: Address, machine: Resource | None) -> None:
        resource_id = machine.id if machine else None
        self.state.change(address.id, resource_id, address.organization, self.entry)


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


def trash_object(machine: Resource) -> Body:
    """What the vendor's clients read out of `object_in_trash` [doc]."""
    return {
        "id": machine.id.replace("vm_", "trsh_"),
        "keep_until": 4_102_444_800,
        "object_id": machine.id,
        "object_type": machine.type,
    }


def current_user(context: Context) -> Body:
    if not context.token.has_user:
        raise ApiError("no_user_associated_with_identity")
    user_id = context.state.world.user_id
    return {
        "user": {
            "id": user_id,
            "first_name": "Robin",
            "last_name": "Example",
            "avatar_url": "https://avatars.example/robin.png",
        },
        # Three keys only [doc].
        "organizations": [
            {"id": each.id, "name": each.name, "sub_domain": each.sub_domain}
            for each in context.organizations()
        ],
        "api_token_id": f"atok_{user_id.removeprefix('user_')}",
    }


def organizations(context: Context) -> Body:
    return {"organizations": [asdict(each) for each in context.organizations()]}


def list_addresses(context: Context) -> Body:
    allocated = context.arguments.boolean("allocated")
    page, per_page = page_numbers(context)
    world, organization = context.state.world, context.organization()
    found = world.listed(organization.id, allocated)
    shown = found[(page - 1) * per_page : page * per_page]
    key = "ip_addresses", organization.id, allocated, page, per_page
    return {
        "pagination": pagination(found, page, per_page, is_large=context.large_set),
        "ip_addresses": world.rendered(key, lambda: [list_row(each) for each in shown]),
    }


def page_numbers(context: Context) -> tuple[int, int]:
    page = context.arguments.integer("page", 1)
    return page, context.arguments.integer("per_page", DEFAULT_PER_PAGE, MOST_PER_PAGE)


def pagination(found: Sequence[object], page: int, per_page: int, *, is_large: bool) -> Body:
    """A large set hides its totals [doc]."""
    return {
        "current_page": page,
        "total_pages": None if is_large else -(-len(found) // per_page),
        "total": None if is_large else len(found),
        "per_page": per_page,
        "large_set": is_large,
    }


def get_ip_address(context: Context) -> Body:
    address = context.ip_address()
    return {
        "ip_address": address_body(context.state.world, address),
        "allocation": allocation_body(address),
    }


def unallocate(context: Context) -> Body:
    """Only what a virtual machine holds can be unallocated; anything else refuses."""
    address = context.ip_address()
    if not context.token.may_write:
        raise ApiError("permission_denied")
    if address.resource is None:
        raise ApiError("no_allocation")
    if address.resource.type != VIRTUAL_MACHINE:
        raise ApiError("resource_does_not_support_unallocation")
    context.allocate(address, None)
    return {}


def allocate(context: Context) -> Body:
    machine = context.find("virtual_machine", context.machines())
    address = context.ip_address()
    if address.organization != machine.organization:
        raise ApiError("ip_address_not_found")
    if not context.token.may_write:
        raise ApiError("permission_denied")
    if machine.in_trash:
        raise ApiError("object_in_trash", {"trash_object": trash_object(machine)})
    if address.resource is not None:
        raise ApiError("ip_already_allocated")
    if not machine.has_interface:
        raise ApiError("no_interface_available")
    context.allocate(address, machine)
    return {"ip_address": address_body(context.state.world, address)}


def list_machines(context: Context) -> Body:
    organization = context.organization()
    page, per_page = page_numbers(context)
    world = context.state.world
    found = world.machines(organization.id)
    shown = found[(page - 1) * per_page : page * per_page]
    key = "virtual_machines", organization.id, page, per_page
    return {
        "pagination": pagination(found, page, per_page, is_large=context.large_set),
        "virtual_machines": world.rendered(key, lambda: machine_rows(world, shown)),
    }


def machine_rows(world: World, machines: Iterable[Resource]) -> list[Body]:
    addresses = world.addresses_by_resource()
    return [
        machine_row(each)
        | {"ip_addresses": [{"address": ip.address} for ip in addresses.get(each.id, [])]}
        for each in machines
    ]


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


def get_machine(context: Context) -> Body:
    """With `initial_root_password`, as live [seen]: clients must not keep it."""
    machine = context.find("virtual_machine", context.machines())
    if machine.in_trash:
        raise ApiError("object_in_trash", {"trash_object": trash_object(machine)})
    world = context.state.world
    owner = world.organizations_by_id()[machine.organization]
    addresses = world.addresses_by_resource().get(machine.id, [])
    return {
        "virtual_machine": machine_row(machine)
        | {
            "description": None,
            "initial_root_password": ROOT_PASSWORD,
            "state": "started" if machine.has_interface else "stopped",
            "organization": {
                "id": owner.id,
                "name": owner.name,
                "sub_domain": owner.sub_domain,
            },
            "group": None,
            "tag_names": [machine.name.partition("-")[0], "production"],
            "suspended": False,
            "ip_addresses": [address_body(world, each) for each in addresses],
        }
    }


@dataclass(frozen=True, slots=True)
class Call:
    """`name` is that of the ledger and of faults. A token needs one of `scopes`, if there are any.
    `lookups` are read before anything is looked for [frame]."""

    name: str
    method: str
    path: str
    answer: Callable[[Context], Body]
    scopes: tuple[str, ...] = ()
    lookups: tuple[str, ...] = ()


# In the answer about any machine; tests look for it everywhere else.
ROOT_PASSWORD = "initial-root-password-of-the-sandbox"  # noqa: S105
MACHINES = "/organizations/:organization/virtual_machines"
READ_MACHINES = ("virtual_machines:read", "virtual_machines")
READ, WRITE = ("ip_addresses:read", "ip_addresses"), ("ip_addresses",)
ADDRESSES = "/organizations/:organization/ip_addresses"
ALLOCATE = "/virtual_machines/:virtual_machine/allocate_ip"
CALLS = (
    Call("current_user", "GET", "/users/current", current_user),
    Call("organizations", "GET", "/organizations", organizations, ("organizations:read",)),
    Call("list", "GET", ADDRESSES, list_addresses, READ, ("organization",)),
    Call("get", "GET", "/ip_addresses/:ip_address", get_ip_address, READ),
    Call("machines", "GET", MACHINES, list_machines, READ_MACHINES, ("organization",)),
    Call("machine", "GET", "/virtual_machines/:virtual_machine", get_machine, READ_MACHINES),
    Call("unallocate", "POST", "/ip_addresses/:ip_address/unallocate", unallocate, WRITE),
    Call("allocate", "POST", ALLOCATE, allocate, WRITE, ("virtual_machine", "ip_address")),
)
PATTERNS = [
    (call, re.compile("/core/v1" + re.sub(r":(\w+)", r"(?P<\1>[^/]*)", call.path)))
    for call in CALLS
]


def route(method: str, path: str) -> tuple[Call | None, dict[str, str]]:
    """The call and the segments of its path, by lookup. Trailing slashes are ignored."""
    for call, pattern in PATTERNS:
        if call.method == method and (match := pattern.fullmatch(path.rstrip("/"))):
            return call, match.groupdict()
    return None, {}
