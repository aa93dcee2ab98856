"""One virtual machine, and its addresses."""

from __future__ import annotations

from dataclasses import dataclass

from ipadmin.katapult.types import VirtualMachine
from ipadmin.models import ApiToken
from ipadmin.services import api, budget, changes, inventory, snapshots
from ipadmin.services.listing import Row, why_not
from ipadmin.services.snapshots import Machine


@dataclass(frozen=True, slots=True)
class FoundMachine:
    """`live` is the machine as read now; None if the token may not read machines. Then `rows` and
    `known` come from the last list of addresses."""

    live: VirtualMachine | None
    known: Machine | None
    rows: list[Row]


def read(token: ApiToken, id: str) -> FoundMachine:
    """A machine with its addresses. Raises KatapultError, crypto.CannotDecrypt and
    budget.ReadsWait."""
    listed = snapshots.load(token)
    known = listed.machines.get(id) if listed else None
    if not token.may_list_machines:
        listed = listed or inventory.read(token)
        addresses = changes.apply(listed, changes.attempts_since(listed, token))
        of_machine = [ip for ip in addresses if ip.allocation and ip.allocation.id == id]
        rows = [Row(ip, why_not(ip), listed.machines.get(id)) for ip in of_machine]
        return FoundMachine(None, listed.machines.get(id), rows)
    budget.require_room(token.fingerprint)
    with api.using(token) as secret:
        live = api.client().virtual_machine(secret, id).value
    named = Machine(live.id, live.name, live.zone)
    return FoundMachine(live, known, [Row(ip, why_not(ip), named) for ip in live.addresses])
