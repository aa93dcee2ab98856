"""The calls that undo an unallocation: allocating, and setting the reverse DNS."""

from typing import Any

import httpx
import pytest

from ipadmin.sandbox import Sandbox
from tests.sandbox_client import Caller, allocated, code, machine, some, until

NOBODY = "ip_0000000000000000"
NAME = "mail.example.net"


def test_allocating_gives_the_machines_name(api: Caller, box: Sandbox) -> None:
    body = api.allocate(some(box, None)["id"], machine(box, "spare-01")).json()
    assert body["ip_address"]["allocation_type"] == "VirtualMachine"
    assert body["ip_address"]["reverse_dns"] == "spare-01.northwind.katapult.cloud"


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        (None, "retired-01", (406, "object_in_trash")),
        (None, "isolated-01", (422, "no_interface_available")),
        ("VirtualMachine", "spare-01", (422, "ip_already_allocated")),
    ],
)
def test_allocating_refuses(
    api: Caller, box: Sandbox, kind: str | None, name: str, expected: tuple[int, str]
) -> None:
    answer = api.allocate(some(box, kind)["id"], machine(box, name))
    assert (answer.status_code, code(answer)) == expected


def test_allocating_what_is_not_there(api: Caller, box: Sandbox) -> None:
    free, spare = some(box, None)["id"], machine(box, "spare-01")
    assert code(api.allocate(NOBODY, spare)) == "ip_address_not_found"
    assert code(api.allocate(free, "vm_0000000000000000")) == "virtual_machine_not_found"


def test_a_machine_is_found_by_its_fqdn(api: Caller, box: Sandbox) -> None:
    fqdn = "spare-01.harbour-labs.katapult.cloud"
    body = {"virtual_machine": {"fqdn": fqdn}, "ip_address": {"id": some(box, None)["id"]}}
    answer = api.post("/virtual_machines/_/allocate_ip", json=body)
    assert code(answer) == "ip_address_not_found"  # the machine is the other organization's


def test_a_role_may_be_denied_allocating(box: Sandbox) -> None:
    with Caller(box, "denied") as api:
        answer = api.allocate(some(box, None)["id"], machine(box, "spare-01"))
    assert code(answer) == "permission_denied"


def test_an_address_can_be_unallocated_from_a_machine_in_the_trash(
    api: Caller, box: Sandbox
) -> None:
    retired = machine(box, "retired-01")
    address = some(box, allocation_id=retired)["id"]
    assert api.unallocate(address).text == "{}"
    refusal = api.allocate(address, retired).json()["error"]
    trash = refusal["detail"]["trash_object"]
    assert set(trash) == {"id", "keep_until", "object_id", "object_type"}
    assert (trash["object_id"], trash["object_type"]) == (retired, "VirtualMachine")
    assert not allocated(box, address)


def test_a_machine_is_moved_into_the_trash_and_out_of_it(api: Caller, box: Sandbox) -> None:
    def names() -> set[str]:
        listed = api.get("/organizations/_/virtual_machines", params=northwind).json()
        return {each["name"] for each in listed["virtual_machines"]}

    northwind = {"organization[sub_domain]": "northwind"}
    free, web = some(box, None)["id"], machine(box, "web-01")
    assert "web-01" in names()
    box.trash("web-01", 1_800_000_000)
    answer = api.get(f"/virtual_machines/{web}")
    assert answer.json()["error"]["detail"]["trash_object"]["keep_until"] == 1_800_000_000
    assert "web-01" not in names()
    assert code(api.allocate(free, web)) == "object_in_trash"
    body = {"virtual_machine": web, "keep_until": None}
    assert httpx.post(f"{box.url}/_sandbox/trash", json=body).status_code == 200
    assert "web-01" in names()
    assert api.allocate(free, web).status_code == 200
    unknown = httpx.post(f"{box.url}/_sandbox/trash", json={"virtual_machine": "x"})
    assert unknown.status_code == 400


def test_reverse_dns_is_set_until_the_allocation_changes(api: Caller, box: Sandbox) -> None:
    address = some(box)
    body = api.set_reverse_dns(address["id"], NAME).json()
    assert body["ip_address"]["reverse_dns"] == NAME
    assert body["ip_address"]["allocation_id"] == address["allocation_id"]
    assert api.read(address["id"])["ip_address"]["reverse_dns"] == NAME
    api.unallocate(address["id"])
    assert api.read(address["id"])["ip_address"]["reverse_dns"] != NAME


@pytest.mark.parametrize(
    ("reverse_dns", "status", "expected"),
    [
        ("", 422, "validation_error"),
        ("localhost", 422, "validation_error"),
        ("a_b.example.net", 422, "validation_error"),
        ("-a.example.net", 422, "validation_error"),
        ("a.example.net.", 422, "validation_error"),
        ("x" * 64 + ".example.net", 422, "validation_error"),
        ("x.example.net\n", 422, "validation_error"),
        ("x." * 126 + "xx", 422, "validation_error"),
        (7, 400, "invalid_argument"),
    ],
)
def test_what_is_no_host_name_is_refused(
    api: Caller, box: Sandbox, reverse_dns: Any, status: int, expected: str
) -> None:
    address = some(box)
    answer = api.set_reverse_dns(address["id"], reverse_dns)
    assert (answer.status_code, code(answer)) == (status, expected)
    if status == 422:
        assert answer.json()["error"]["detail"] == {"errors": ["Reverse dns is invalid"]}
    assert some(box) == address


def test_setting_the_reverse_dns_refuses(api: Caller, box: Sandbox) -> None:
    address = some(box)
    assert code(api.set_reverse_dns(NOBODY, NAME)) == "ip_address_not_found"
    with Caller(box, "denied") as denied, Caller(box, "read-only") as reader:
        assert code(denied.set_reverse_dns(address["id"], NAME)) == "permission_denied"
        assert code(reader.set_reverse_dns(address["id"], NAME)) == "scope_not_granted"
    assert some(box) == address


def test_without_a_reverse_dns_nothing_changes(api: Caller, box: Sandbox) -> None:
    address = some(box)
    for body in ({}, {"reverse_dns": None}):
        answer = api.patch(f"/ip_addresses/{address['id']}", json=body)
        assert answer.json()["ip_address"]["reverse_dns"] == address["reverse_dns"]
    assert not any(each["acted"] for each in box.ledger("set_reverse_dns"))


def test_the_ledger_says_what_an_address_was_changed_to(api: Caller, box: Sandbox) -> None:
    address, spare = some(box, None)["id"], machine(box, "spare-01")
    api.allocate(address, machine(box, "retired-01"))
    api.allocate(address, spare)
    api.set_reverse_dns(address, NAME)
    api.unallocate(address)
    host = "spare-01.northwind.katapult.cloud"
    shown = [(each["call"], each["allocation_id"], each["reverse_dns"]) for each in box.ledger()]
    assert shown[:3] == [
        ("allocate", None, None),
        ("allocate", spare, host),
        ("set_reverse_dns", spare, NAME),
    ]
    assert shown[3][:2] == ("unallocate", None)
    assert {each["ip_address"] for each in box.ledger()} == {address}


CHANGES = ("allocate", "set_reverse_dns")


def change(api: Caller, box: Sandbox, name: str) -> httpx.Response:
    """The call of this name, on an address that is not allocated."""
    address = some(box, None)["id"]
    if name == "allocate":
        return api.allocate(address, machine(box, "spare-01"))
    return api.set_reverse_dns(address, NAME)


def is_changed(box: Sandbox, name: str) -> bool:
    addresses = box.world()["ip_addresses"]
    if name == "allocate":
        return any(each["allocation_name"] == "spare-01" for each in addresses)
    return any(each["reverse_dns"] == NAME for each in addresses)


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize(
    ("rule", "acts"),
    [
        ({"kind": "no_answer", "acts": True, "acts_at": "start", "seconds": 1}, True),
        ({"kind": "no_answer", "acts": False, "seconds": 1}, False),
        ({"kind": "reset_before"}, False),
        ({"kind": "reset_after"}, True),
        ({"kind": "truncated"}, True),
    ],
)
def test_a_change_without_an_answer_acts_or_not(
    box: Sandbox, name: str, rule: dict[str, Any], *, acts: bool
) -> None:
    box.set_faults([{"call": name, **rule}])
    with Caller(box, timeout=0.3) as api, pytest.raises(httpx.TransportError):
        change(api, box, name)
    assert is_changed(box, name) is acts
    assert box.ledger(name)[0]["acted"] is acts


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize(
    ("rule", "status", "acts"),
    [
        ({"kind": "html", "acts": True}, 502, True),
        ({"kind": "html"}, 502, False),
        ({"kind": "empty"}, 200, True),
        ({"kind": "rate_limit"}, 429, False),
        ({"kind": "error", "code": "object_in_trash"}, 406, False),
        ({"kind": "other_id"}, 200, True),
    ],
)
def test_a_fault_decides_whether_a_change_acts(
    box: Sandbox, name: str, rule: dict[str, Any], status: int, *, acts: bool
) -> None:
    box.set_faults([{"call": name, **rule}])
    with Caller(box) as api:
        answer = change(api, box, name)
    assert answer.status_code == status
    assert is_changed(box, name) is acts
    if rule["kind"] == "other_id":
        assert answer.json()["ip_address"]["id"] == NOBODY


@pytest.mark.parametrize("name", CHANGES)
def test_a_late_change_acts_after_the_client_has_left(box: Sandbox, name: str) -> None:
    box.set_faults([{"call": name, "kind": "late", "seconds": 0.2}])
    with Caller(box, timeout=0.2) as api, pytest.raises(httpx.ReadTimeout):
        change(api, box, name)
    assert not is_changed(box, name)
    until(lambda: is_changed(box, name))
