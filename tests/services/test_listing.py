"""Which rows a page shows: searching, sorting, counting, paging."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from ipadmin.katapult.types import Allocation, IPAddress
from ipadmin.services.listing import (
    PER_PAGE,
    Counts,
    Filters,
    Listing,
    listing,
    selectable,
    why_not,
)
from ipadmin.services.snapshots import Inventory, Machine, number


def ip(address: str, holder: str = "", **more: Any) -> IPAddress:
    held = Allocation(f"vm_{holder}", "VirtualMachine", holder) if holder else None
    fields: dict[str, Any] = {
        "reverse_dns": f"{holder or 'free'}.example.net",
        "vip": False,
        "allocation": held,
    }
    return IPAddress(f"ip_{address}", address, **(fields | more))


FEW = [
    ip("192.0.2.9", "web"),
    ip("192.0.2.10"),
    ip("198.51.100.7", "db", reverse_dns=None),
    ip("2001:db8::1", "web", vip=True),
    ip("not an address", allocation=Allocation("lb_1", "LoadBalancer")),
]


AT = datetime(2026, 11, 23, tzinfo=UTC)


def shown(addresses: Sequence[IPAddress] = FEW, **filters: str) -> Listing:
    return listing(Inventory(tuple(addresses), AT), Filters.of(filters))


def addresses(**filters: str) -> list[str]:
    return [each.ip.address for each in shown(FEW, **filters).rows]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("  ", [0, 1, 2, 3, 4]),
        ("192.0.2.", [0, 1]),
        ("WEB", [0, 3]),
        ("vm_db", [2]),
        ("ip_192.0.2.10", [1]),
        ("loadbalancer", [4]),
        ("free.example", [1, 4]),
        ("nothing of the kind", []),
        ("192.0.2.0/24", [0, 1]),
        ("0.0.0.0/0", [0, 1, 2]),
        ("2001:db8::/32", [3]),
        ("300.1.1.1/24", []),
        ("a/b", []),
        ("2001:DB8:0:0:0:0:0:1", [3]),
        ("192.0.2.1", [1]),
        ("\u0000%_*(", []),
    ],
)
def test_searching_the_list(query: str, expected: list[int]) -> None:
    assert addresses(q=query) == [FEW[at].address for at in expected]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"family": "IPv4"}, [0, 1, 2, 4]),
        ({"family": "IPv6"}, [3]),
        ({"family": "IPv5"}, [0, 1, 2, 3, 4]),
        ({"type": "LoadBalancer"}, [4]),
        ({"type": "nonsense"}, []),
        ({"vip": "yes"}, [3]),
        ({"vip": "no"}, [0, 1, 2, 4]),
        ({"network": "192.0.2.8/31"}, [0]),
        ({"network": "nonsense"}, [0, 1, 2, 3, 4]),
        ({"q": "web", "family": "IPv4"}, [0]),
    ],
)
def test_filters_of_the_list(filters: dict[str, str], expected: list[int]) -> None:
    assert addresses(**filters) == [FEW[at].address for at in expected]


def test_an_exact_match_stands_alone() -> None:
    many = [ip("192.0.2.1"), *(ip(f"192.0.2.1{digit}") for digit in range(10))]
    found = shown(many, q="192.0.2.1")
    assert ([row.ip.address for row in found.rows], found.more) == (["192.0.2.1"], 10)
    assert found.counts == Counts(1, 0, 1)
    expanded = shown(many, q="192.0.2.1", more="1")
    assert (len(expanded.rows), expanded.more) == (11, 0)
    assert shown(many, q="192.0.2.19").more == 0


def test_the_names_of_machines_are_searched_and_sorted() -> None:
    named = {"vm_web": Machine("vm_web", "Zoo"), "vm_db": Machine("vm_db", "aquarium")}
    inventory = Inventory(tuple(FEW), AT, machines=named)
    found = listing(inventory, Filters(q="zoo")).rows
    assert [row.machine and row.machine.name for row in found] == ["Zoo", "Zoo"]
    ordered = listing(inventory, Filters(sort="allocation")).rows
    assert [row.ip.id for row in ordered] == [FEW[at].id for at in (2, 0, 3, 4, 1)]


def test_grouped_by_machine() -> None:
    rows = shown(group="machine").rows
    assert [row.group for row in rows] == ["vm_db", "vm_web", "", "lb_1", "Not allocated"]


def test_machines_of_the_same_name_are_two_groups() -> None:
    named = {each: Machine(each, "web") for each in ("vm_a", "vm_b")}
    both = (ip("192.0.2.1", "a"), ip("192.0.2.2", "b"))
    rows = listing(Inventory(both, AT, machines=named), Filters(group="machine")).rows
    assert [row.group for row in rows] == ["web", "web"]


def test_only_what_differs_from_the_default_is_in_the_url() -> None:
    given = {"q": " web ", "state": "all", "sort": "address", "vip": "", "type": "LoadBalancer"}
    assert Filters.of(given).parameters() == {"q": "web", "type": "LoadBalancer"}


@pytest.mark.parametrize(
    ("state", "expected"),
    [("all", 5), ("allocated", 4), ("unallocated", 1), ("nonsense", 5), ("", 5)],
)
def test_filtering_the_list_by_state(state: str, expected: int) -> None:
    found = shown(state=state)
    assert len(found.rows) == expected
    assert found.counts == Counts(5, 4, 1)


def test_counts_of_the_list_are_of_the_search() -> None:
    assert shown(q="192.0.2.", state="allocated").counts == Counts(2, 1, 1)


@pytest.mark.parametrize(
    ("sort", "expected", "said"),
    [
        ("", [0, 1, 2, 3, 4], "address"),
        ("address", [0, 1, 2, 3, 4], "address"),
        ("-address", [4, 3, 2, 1, 0], "-address"),
        ("nonsense", [0, 1, 2, 3, 4], "address"),
        ("-", [0, 1, 2, 3, 4], "address"),
        ("reverse_dns", [1, 4, 0, 3, 2], "reverse_dns"),
        ("allocation", [2, 0, 3, 4, 1], "allocation"),
        ("vip", [3, 0, 1, 2, 4], "vip"),
    ],
)
def test_sorting_the_list(sort: str, expected: list[int], said: str) -> None:
    assert addresses(sort=sort) == [FEW[at].address for at in expected]
    assert shown(sort=sort).filters.sort == said


def test_addresses_sort_as_numbers() -> None:
    shuffled = [FEW[at] for at in (3, 1, 4, 0, 2)]
    assert sorted(shuffled, key=number) == FEW


@pytest.mark.parametrize(
    ("page", "number"),
    [(1, 1), ("3", 3), (4, 3), (0, 3), ("x", 1), ("9" * 5000, 1)],
)
def test_paging_the_list(page: Any, number: int) -> None:
    many = tuple(ip(f"10.0.{at // 256}.{at % 256}") for at in range(2 * PER_PAGE + 1))
    found = listing(Inventory(many, AT), Filters(), page=page)
    assert (found.page.number, found.page.paginator.num_pages) == (number, 3)


def test_an_empty_organization_has_one_empty_page() -> None:
    found = listing(Inventory((), AT), Filters(), page=7)
    assert (found.rows, found.page.number) == ([], 1)


@pytest.mark.parametrize(
    ("held", "reason"),
    [
        (None, "Not allocated"),
        (Allocation("lb_1", "LoadBalancer"), "Can't be unallocated from a load balancer"),
        (Allocation("vm_1", "VirtualMachine"), ""),
        (Allocation("x_1", "SomethingNew"), ""),
        (Allocation("x_1", None), ""),
    ],
)
def test_why_an_address_cannot_be_unallocated(held: Allocation | None, reason: str) -> None:
    assert why_not(ip("192.0.2.1", allocation=held)) == reason


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, [0, 2, 3]),
        ({"q": "192.0.2."}, [0]),
        ({"q": "192.0.2.9"}, [0]),
        ({"vip": "yes", "sort": "-address"}, [3]),
        ({"state": "allocated"}, [0, 2, 3]),
        ({"state": "unallocated"}, []),
    ],
)
def test_all_that_can_be_selected(filters: dict[str, str], expected: list[int]) -> None:
    """Neither unallocated ones nor those of load balancers, on any page."""
    found = selectable(Inventory(tuple(FEW), AT), Filters.of(filters), {})
    assert found == [FEW[at].id for at in expected]
    assert shown(FEW, **filters).selectable == len(expected)
