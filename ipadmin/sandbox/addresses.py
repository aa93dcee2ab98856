"""The calls about IP addresses."""

from __future__ import annotations

from .bodies import Body, address_body, allocation_body, list_row, trash_object
from .context import Context
from .errors import ApiError
from .world import VIRTUAL_MACHINE


def list_addresses(context: Context) -> Body:
    allocated = context.arguments.boolean("allocated")
    world = context.state.world
    shown, pagination = context.page(lambda: world.listed(context.organization().id, allocated))
    key = "ip_addresses", context.organization().id, allocated, *pagination.values()
    rows = world.rendered(key, lambda: [list_row(each) for each in shown])
    return {"pagination": pagination, "ip_addresses": rows}


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
