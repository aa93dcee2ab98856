"""The calls about virtual machines."""

from __future__ import annotations

from collections.abc import Iterable

from .bodies import Body, machine_body, machine_row
from .context import Context
from .world import Resource, World


def list_machines(context: Context) -> Body:
    world = context.state.world
    shown, pagination = context.page(lambda: world.machines(context.organization().id))
    key = "virtual_machines", context.organization().id, *pagination.values()
    rows = world.rendered(key, lambda: _rows(world, shown))
    return {"pagination": pagination, "virtual_machines": rows}


def _rows(world: World, machines: Iterable[Resource]) -> list[Body]:
    addresses = world.addresses_by_resource()
    return [
        machine_row(each)
        | {"ip_addresses": [{"address": ip.address} for ip in addresses.get(each.id, [])]}
        for each in machines
    ]


def get_machine(context: Context) -> Body:
    world, machine = context.state.world, context.machine()
    addresses = world.addresses_by_resource().get(machine.id, [])
    return {"virtual_machine": machine_body(world, machine, addresses)}
