"""The calls themselves, as pure functions: a world, who asks and what for, to a `Result`.

None of them changes the world: `Engine` applies and records the change in the result.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import bodies
from .arguments import Arguments
from .errors import ApiError, documented
from .tokens import Token
from .world import VIRTUAL_MACHINE, Address, Organization, Resource, World

DEFAULT_PER_PAGE, MOST_PER_PAGE = 30, 200
Change = dict[str, str | None]


@dataclass(slots=True)
class Context:
    """What a call may look at: the world, the token with its organizations, the arguments."""

    world: World
    token: Token
    organizations: frozenset[str]
    arguments: Arguments
    large_set: bool = False

    def check(self, *lookups: str) -> None:
        """Refuse arguments that are wrong before any object is looked for [frame]."""
        for name in lookups:
            self.arguments.lookup(name)

    def own_organizations(self) -> list[Organization]:
        return [each for each in self.world.organizations if each.id in self.organizations]

    def organization(self) -> Organization:
        found = self.world.organization(*self.arguments.lookup("organization"))
        if found is None or found.id not in self.organizations:
            raise ApiError("organization_not_found")
        if found.suspended:
            raise ApiError("organization_suspended")
        if found.activated_at is None:
            raise ApiError("organization_not_activated")
        return found

    def ip_address(self) -> Address:
        found = self.world.address(*self.arguments.lookup("ip_address"))
        if found is None or found.organization_id not in self.organizations:
            raise ApiError("ip_address_not_found")
        return found

    def virtual_machine(self) -> Resource:
        found = self.world.virtual_machine(*self.arguments.lookup("virtual_machine"))
        if found is None or found.organization_id not in self.organizations:
            raise ApiError("virtual_machine_not_found")
        return found


@dataclass(slots=True)
class Result:
    """A body as JSON text, made after the change so that it can show it."""

    body: Callable[[], str]
    change: Change | None = None


def change_of(address: Address, resource_id: str | None, organization_id: str | None) -> Change:
    return {"ip_address": address.id, "resource": resource_id, "organization": organization_id}


def current_user(context: Context) -> Result:
    if not context.token.has_user:
        raise ApiError("no_user_associated_with_identity")
    world = context.world
    body = {
        "user": {
            "id": world.user_id,
            "first_name": "Robin",
            "last_name": "Example",
            "avatar_url": "https://avatars.example/robin.png",
        },
        "organizations": [bodies.organization_part(o) for o in context.own_organizations()],
        "api_token_id": f"atok_{world.user_id.removeprefix('user_')}",
    }
    return Result(lambda: bodies.dump(body))


def organizations(context: Context) -> Result:
    body = {"organizations": [bodies.organization(o) for o in context.own_organizations()]}
    return Result(lambda: bodies.dump(body))


def list_addresses(context: Context) -> Result:
    """A page in the order of purchase. `large_set` hides the totals [doc]."""
    context.check("organization")
    allocated = context.arguments.boolean("allocated")
    page = context.arguments.integer("page", 1)
    per_page = context.arguments.integer("per_page", DEFAULT_PER_PAGE, MOST_PER_PAGE)
    held = context.world.holdings[context.organization().id]
    serials = {None: held.everything, True: held.allocated, False: held.free}[allocated]
    large = context.large_set
    pagination: dict[str, Any] = {
        "current_page": page,
        "total_pages": None if large else -(-len(serials) // per_page),
        "total": None if large else len(serials),
        "per_page": per_page,
        "large_set": large,
    }
    shown = serials[(page - 1) * per_page : page * per_page]
    return Result(lambda: bodies.page(context.world, shown, pagination))


def get_ip_address(context: Context) -> Result:
    address = context.ip_address()
    body = {
        "ip_address": bodies.ip_address(context.world, address),
        "allocation": bodies.allocation(address),
    }
    return Result(lambda: bodies.dump(body))


def unallocate(context: Context) -> Result:
    """Only what a virtual machine holds can be unallocated; anything else refuses."""
    address = context.ip_address()
    if not context.token.may_write:
        raise documented("permission_denied")
    if address.resource is None:
        raise ApiError("no_allocation")
    if address.resource.type != VIRTUAL_MACHINE:
        raise ApiError("resource_does_not_support_unallocation")
    return Result(lambda: "{}", change_of(address, None, address.organization_id))


def allocate(context: Context) -> Result:
    context.check("virtual_machine", "ip_address")
    machine = context.virtual_machine()
    address = context.ip_address()
    if address.organization_id != machine.organization_id:
        raise ApiError("ip_address_not_found")
    if not context.token.may_write:
        raise documented("permission_denied")
    if machine.in_trash:
        raise ApiError("object_in_trash", {"trash_object": trash_object(machine)})
    if address.resource is not None:
        raise ApiError("ip_already_allocated")
    if not machine.has_interface:
        raise ApiError("no_interface_available")
    change = change_of(address, machine.id, address.organization_id)
    return Result(
        lambda: bodies.dump({"ip_address": bodies.ip_address(context.world, address)}), change
    )


def trash_object(machine: Resource) -> dict[str, Any]:
    """What the vendor's clients read out of `object_in_trash` [doc]."""
    return {
        "id": machine.id.replace("vm_", "trsh_"),
        "keep_until": 4_102_444_800,
        "object_id": machine.id,
        "object_type": machine.type,
    }
