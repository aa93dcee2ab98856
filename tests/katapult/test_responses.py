"""Addresses and pages, in every shape that was documented or seen, and in shapes that were not."""

from __future__ import annotations

from typing import Any

import pytest

from ipadmin.katapult import values
from ipadmin.katapult.errors import UnreadableAnswer
from ipadmin.katapult.types import Allocation, IPAddress, Page
from tests.katapult.shapes import (
    ACME,
    ALLOCATION,
    CALLS,
    FREE,
    IP,
    LISTED,
    PAGE_ANSWER,
    PAGINATION,
    READ,
    TOKEN,
    VM,
    Call,
    answering,
)


def read(ip_address: Any, **beside: Any) -> IPAddress:
    client = answering({"ip_address": ip_address, **beside})
    return client.ip_address(TOKEN, id=IP).value


def page(**changes: Any) -> Page[IPAddress]:
    return answering(PAGE_ANSWER | changes).ip_addresses(TOKEN, ACME).value


def test_an_address_is_read_whole() -> None:
    assert read(READ, allocation=ALLOCATION) == IPAddress(
        id=IP,
        address="192.0.2.7",
        reverse_dns="web.example.net",
        vip=False,
        allocation=Allocation(id=VM, type="VirtualMachine", name="web"),
        label=None,
        network="Public Network",
        address_with_mask="192.0.2.7/22",
    )


def test_an_unallocated_ipv6_vip_with_a_label_is_read() -> None:
    address = read(FREE | {"address": "2001:db8::1f9", "vip": True, "label": "shop"})
    assert (address.address, address.vip, address.label) == ("2001:db8::1f9", True, "shop")
    assert address.allocation is None


NAMED = Allocation(VM, "VirtualMachine", "web")


@pytest.mark.parametrize(
    ("allocation", "expected"),
    [
        ({"type": "VirtualMachine", "value": {"id": VM, "name": "web"}}, NAMED),
        ({"id": VM, "name": "web"}, Allocation(VM, None, "web")),
        ({"type": "Toaster", "value": {"id": "tst_1"}}, Allocation("tst_1", "Toaster")),
        ({"type": "Toaster", "value": None}, Allocation("", "Toaster")),
        ({"id": 5, "name": ["a"]}, Allocation("5", None, '["a"]')),
        ({"type": None, "value": {"id": None, "name": None}}, None),
        ({}, None),
        (None, None),
    ],
)
def test_an_allocation_is_read_in_both_shapes_and_in_new_ones(
    allocation: Any, expected: Allocation | None
) -> None:
    assert read(FREE, allocation=allocation).allocation == expected


@pytest.mark.parametrize("allocation", [None, {}, "vm", ["vm"], {"value": "vm"}, {"new": {}}])
def test_the_allocation_id_beside_an_address_is_enough(allocation: Any) -> None:
    held = read(READ, allocation=allocation).allocation
    assert held == Allocation(VM, "VirtualMachine")


@pytest.mark.parametrize(
    "allocation", ["vm_1", 7, True, ["vm_1"], {"value": "vm_1"}, {"virtual_machine": {"id": VM}}]
)
def test_an_unreadable_allocation_is_never_taken_for_unallocated(allocation: Any) -> None:
    with pytest.raises(UnreadableAnswer):
        read(FREE, allocation=allocation)


def test_an_address_that_says_nothing_of_its_allocation_is_not_called_free() -> None:
    bare = {"id": IP, "address": "192.0.2.7"}
    with pytest.raises(UnreadableAnswer):
        read(bare)
    assert read(bare, allocation=None).allocation is None
    assert read(bare | {"allocation_id": None}).allocation is None


def test_a_list_carries_allocations_without_names() -> None:
    result = page()
    assert result.items[0].allocation == Allocation(VM, "VirtualMachine")
    assert (result.total, result.total_pages) == (1, 1)


def test_a_large_set_has_no_totals() -> None:
    large = PAGINATION | {"total": None, "total_pages": None, "large_set": True}
    result = page(pagination=large)
    assert (result.total, result.total_pages) == (None, None)


@pytest.mark.parametrize(
    ("pagination", "expected"),
    [
        ({"current_page": 1, "per_page": 30, "total": 0, "total_pages": 0}, (30, 0, 0)),
        (
            {"current_page": "4", "per_page": [], "total": True, "total_pages": 1.5},
            (0, None, None),
        ),
        ({"current_page": -1, "per_page": 10**12}, (0, None, None)),
        (None, (0, None, None)),
    ],
)
def test_pagination_of_an_empty_list(pagination: Any, expected: tuple[object, ...]) -> None:
    result = page(pagination=pagination, ip_addresses=[])
    assert (result.per_page, result.total, result.total_pages) == expected


NOT_OBJECTS: list[Any] = ["x", 1, True, None, [{}]]
NOT_IDS: list[Any] = [None, 7, [], {}, "", " \n", "x" * 65, "a\0b", "\ud800"]
WRONG: list[tuple[str, Any]] = [
    *((name, []) for name in CALLS),
    *(("organizations", body) for body in NOT_OBJECTS),
    *((name, {}) for name in CALLS if name != "unallocate"),
    ("user_organizations", {"user": {}, "organizations": {"a": 1}}),
    ("user_organizations", {"user": {}, "organizations": "abc"}),
    ("organizations", {"organizations": {}}),
    ("organizations", {"organizations": [None]}),
    ("organizations", {"organizations": [{"id": None}]}),
    ("ip_addresses", {"ip_addresses": {}}),
    ("ip_addresses", {"ip_addresses": ["abc"]}),
    ("ip_addresses", {"ip_addresses": [], "pagination": [1]}),
    ("ip_address by id", {"ip_address": []}),
    ("ip_address by id", {"ip_address": "x", "allocation": None}),
    *(("ip_address by id", {"ip_address": LISTED | {"id": value}}) for value in NOT_IDS),
    ("ip_address by id", {"ip_address": LISTED | {"address": None}}),
    ("ip_address by id", {"ip_address": LISTED | {"address": ""}}),
]


@pytest.mark.parametrize(("name", "body"), WRONG)
def test_an_answer_of_another_shape_is_unreadable(name: str, body: Any) -> None:
    call: Call = CALLS[name][0]
    with pytest.raises(UnreadableAnswer) as caught:
        call(answering(body), TOKEN)
    assert caught.value.exchange.status == 200
    assert not caught.value.is_definite


OTHER_KEYS = sorted(READ.keys() - {"id", "address"})


@pytest.mark.parametrize("value", [None, [], {}, 7, True, "", "x", {"name": 5}, [[1]]])
def test_an_address_is_read_whatever_its_other_keys_hold(value: Any) -> None:
    changed = READ | dict.fromkeys(OTHER_KEYS, value)
    assert read(changed, allocation=ALLOCATION, new=1).id == IP


def test_an_address_is_read_without_any_of_its_other_keys() -> None:
    for key in OTHER_KEYS:
        without = {each: READ[each] for each in READ if each != key}
        assert read(without, allocation=ALLOCATION).address == "192.0.2.7", key


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ""),
        ("a\0b", "a\ufffdb"),
        ("\ud800", "?"),
        ("x" * 5000, "x" * 1000),
        (True, "True"),
        (float("nan"), "nan"),
        ({"a": ["\0"]}, '{"a": ["\ufffd"]}'),
    ],
)
def test_any_value_becomes_text_that_can_be_stored(value: Any, expected: str) -> None:
    assert values.text(value) == expected


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32-be", "latin-1"])
def test_json_in_another_encoding_than_utf_8_is_unreadable(encoding: str) -> None:
    body = '{"organizations": [{"id": "org_1", "name": "Café"}]}'
    with pytest.raises(UnreadableAnswer):
        answering(body.encode(encoding)).organizations(TOKEN)


def test_a_key_that_occurs_twice_makes_an_answer_unreadable() -> None:
    with pytest.raises(UnreadableAnswer):
        answering(b'{"organizations": [], "organizations": []}').organizations(TOKEN)


def test_keys_that_are_new_are_ignored() -> None:
    for name, (call, body) in CALLS.items():
        if name != "unallocate":
            call(answering(body | {"a_new_key": {"x": [1]}}), TOKEN)


FOREIGN = [
    (200, b'{"message":"Internal server error"}'),
    (200, b'{"errors":[{"code":"no_allocation"}]}'),
    (200, b'{"error":null}'),
    (200, b'{"error":{"code":"no_allocation"},"error":null}'),
    (200, b"[]"),
    (200, b"null"),
    (200, b"{}{}"),
    (200, b"\xef\xbb\xbf{}"),
    (201, b"{}"),
    (302, b"{}"),
]


@pytest.mark.parametrize(("status", "content"), FOREIGN)
def test_nothing_but_200_with_an_empty_object_is_a_success(status: int, content: bytes) -> None:
    with pytest.raises(UnreadableAnswer) as caught:
        answering(content, status).unallocate(TOKEN, id=IP)
    assert not caught.value.is_definite


@pytest.mark.parametrize("content", [b"{}", b" { }\n"])
def test_200_with_an_empty_object_is_a_success(content: bytes) -> None:
    assert answering(content).unallocate(TOKEN, id=IP).value is None


OTHER_ID = "ip_0000000000000002"


@pytest.mark.parametrize(
    ("changes", "asked"),
    [
        ({"id": OTHER_ID}, {"id": IP}),
        ({"id": IP.lower() + "A"}, {"id": IP}),
        ({"address": "192.0.2.8"}, {"address": "192.0.2.7"}),
        ({"address": "192.0.2.8"}, {"id": IP, "known_address": "192.0.2.7"}),
        ({"id": OTHER_ID}, {"id": IP, "known_address": "192.0.2.7"}),
        ({"address": "192.0.2.07"}, {"address": "192.0.2.7"}),
    ],
)
def test_an_answer_about_another_address_is_unreadable(changes: Any, asked: Any) -> None:
    with pytest.raises(UnreadableAnswer, match="another address"):
        answering({"ip_address": READ | changes}).ip_address(TOKEN, **asked)


def test_an_ipv6_address_may_be_written_in_another_way() -> None:
    body = {"ip_address": READ | {"address": "2001:db8::1"}}
    reply = answering(body).ip_address(TOKEN, address="2001:0DB8:0::0001")
    assert reply.value.address == "2001:db8::1"
