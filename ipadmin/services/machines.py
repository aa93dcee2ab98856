"""One virtual machine, and its addresses."""

from __future__ import annotations

from dataclasses import dataclass

from ipadmin.katapult.errors import KatapultError
from ipadmin.katapult.types import VirtualMachine
from ipadmin.models import ApiToken
from ipadmin.services import api, budget, changes, inventory
from ipadmin.services.listing import Row, why_not
from ipadmin.services.snapshots import Machine


@dataclass(frozen=True, slots=True)
class FoundMachine:
    """`live` is the machine as read now; None if the token may not read machines. Then `rows` and
    `known` (its name, if there is one) come from the last list of addresses."""

    live: VirtualMachine | None
    known: Machine | None
    rows: list[Row]


def read(token: ApiToken, id: str) -> FoundMachine:
    """A machine with its addresses. Raises KatapultError, crypto.CannotDecrypt and
    budget.ReadsWait."""
    if not token.may_list_machines:
        return _as_listed(token, id)
    budget.require_room(token.fingerprint)
    try:
        with api.using(token) as secret:
            live = api.client().virtual_machine(secret, id).value
    except KatapultError as error:
        # Not known before, because the token was not checked since.
        if error.code != "scope_not_granted":
            raise
        return _as_listed(token, id)
    named = Machine(live.id, live.name, live.zone)
    return FoundMachine(live, named, [Row(ip, why_not(ip), named) for ip in live.addresses])


def _as_listed(token: ApiToken, id: str) -> FoundMachine:
    listed = inventory.stored(token) or inventory.read(token)
    attempts = changes.attempts_since(listed, token)
    known = listed.machines.get(id)
    rows = [
        Row(ip, why_not(ip), known, attempts.get(ip.id))
        for ip in changes.apply(listed, attempts)
        if ip.allocation and ip.allocation.id == id
    ]
    return FoundMachine(None, known, rows)
