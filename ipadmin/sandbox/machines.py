"""The calls about virtual machines."""

from __future__ import annotations

from .bodies import Body, machine_body, machine_row
from .context import Context


def list_machines(context: Context) -> Body:
    world = context.state.world
    shown, pagination = context.page(lambda: world.machines(context.organization().id))
    addresses = world.addresses_by_resource()
    return {
        "pagination": pagination,
        "virtual_machines": [
            machine_row(each)
            | {"ip_addresses": [{"address": ip.address} for ip in addresses.get(each.id, [])]}
            for each in shown
        ],
    }


def get_machine(context: Context) -> Body:
    world, machine = context.state.world, context.machine()
    addresses = world.addresses_by_resource().get(machine.id, [])
    return {"virtual_machine": machine_body(world, machine, addresses)}
