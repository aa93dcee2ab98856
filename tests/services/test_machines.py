"""One virtual machine and its addresses."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ipadmin.katapult.errors import ErrorAnswer
from ipadmin.katapult.types import Allocation, IPAddress
from ipadmin.models import ApiToken
from ipadmin.services import machines, snapshots
from ipadmin.services.snapshots import Inventory, Machine
from tests.services.katapult import IP, OTHER_VM, VM, Katapult

pytestmark = pytest.mark.django_db

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)


def machine(**more: Any) -> dict[str, Any]:
    held = {"allocation_id": VM, "allocation_type": "VirtualMachine"}
    address = {"id": IP, "address": "192.0.2.7", **held}
    return {"id": VM, "name": "web-01", "state": "started", "ip_addresses": [address]} | more


def test_a_machine_is_read_now(token: ApiToken, katapult: Katapult) -> None:
    katapult.machines = [machine(initial_root_password="never kept")]
    found = machines.read(token, VM)
    assert found.live
    assert (found.live.name, found.live.state) == ("web-01", "started")
    assert [(row.ip.address, row.why_not) for row in found.rows] == [("192.0.2.7", "")]
    assert "never kept" not in repr(found)


def test_a_machine_that_does_not_exist(token: ApiToken, katapult: Katapult) -> None:
    katapult.machines = [machine()]
    with pytest.raises(ErrorAnswer, match="virtual_machine_not_found"):
        machines.read(token, OTHER_VM)


def test_without_the_scope_a_machine_is_shown_as_the_list_has_it(
    token: ApiToken, katapult: Katapult
) -> None:
    token.can_list_machines = False
    held = Allocation(VM, "VirtualMachine")
    addresses = (
        IPAddress("ip_1", "192.0.2.1", None, False, held),
        IPAddress("ip_2", "192.0.2.2", None, False, None),
    )
    named = Machine(VM, "web-01", as_of=AT)
    snapshots.store(token, Inventory(addresses, AT, machines={VM: named}))
    found = machines.read(token, VM)
    assert (found.live, found.known) == (None, named)
    assert [row.ip.id for row in found.rows] == ["ip_1"]
    assert katapult.requests == []


def test_a_token_that_turns_out_to_lack_the_scope_shows_the_list(
    token: ApiToken, katapult: Katapult
) -> None:
    snapshots.store(token, Inventory((), AT))
    found = machines.read(token, VM)
    assert (found.live, found.known, found.rows) == (None, None, [])
