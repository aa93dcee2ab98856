"""The calls about IP addresses."""

from __future__ import annotations

import re

from .bodies import Body, address_body, allocation_body, list_row, trash_object
from .context import Context
from .errors import ApiError
from .world import VIRTUAL_MACHINE

LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
HOST_NAME = re.compile(rf"(?=.{{1,253}}$)({LABEL}\.)+{LABEL}", re.IGNORECASE)


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
    context.change(address, None)
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
    context.change(address, machine)
    return {"ip_address": address_body(context.state.world, address)}


def set_reverse_dns(context: Context) -> Body:
    """The reference has `label` and `vip` as well, which no client of the sandbox changes."""
    address = context.ip_address()
    if not context.token.may_write:
        raise ApiError("permission_denied")
    reverse_dns = context.arguments.text("reverse_dns")
    if reverse_dns is not None:
        if not HOST_NAME.fullmatch(reverse_dns):
            raise ApiError("validation_error", {"errors": ["Reverse dns is invalid"]})
        context.change(address, address.resource, reverse_dns)
    return {"ip_address": address_body(context.state.world, address)}
