"""Which rows a page shows: searching, sorting, counting, paging."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ipadmin.katapult.types import Allocation, IPAddress
from ipadmin.services.inventory import Inventory, number
from ipadmin.services.listing import PER_PAGE, Listing, listing, why_not


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


def shown(**how: Any) -> Listing:
    return listing(Inventory(tuple(FEW), datetime(2026, 11, 23, tzinfo=UTC)), **how)


def addresses(**how: Any) -> list[str]:
    return [each.ip.address for each in shown(**how).rows]


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
    assert addresses(query=query) == [FEW[at].address for at in expected]


@pytest.mark.parametrize(
    ("state", "expected"),
    [("all", 5), ("allocated", 4), ("unallocated", 1), ("nonsense", 5), ("", 5)],
)
def test_filtering_the_list_by_state(state: str, expected: int) -> None:
    found = shown(state=state)
    assert len(found.rows) == expected
    assert found.counts == {"all": 5, "allocated": 4, "unallocated": 1}


def test_counts_of_the_list_are_of_the_search() -> None:
    counts = shown(query="192.0.2.", state="allocated").counts
    assert (counts["all"], counts["allocated"], counts["unallocated"]) == (2, 1, 1)


@pytest.mark.parametrize(
    ("sort", "expected", "said"),
    [
        ("", [0, 1, 2, 3, 4], "address"),
        ("address", [0, 1, 2, 3, 4], "address"),
        ("-address", [4, 3, 2, 1, 0], "-address"),
        ("nonsense", [0, 1, 2, 3, 4], "address"),
        ("-", [0, 1, 2, 3, 4], "address"),
        ("reverse_dns", [2, 1, 4, 0, 3], "reverse_dns"),
        ("allocation", [4, 2, 0, 3, 1], "allocation"),
        ("vip", [3, 0, 1, 2, 4], "vip"),
    ],
)
def test_sorting_the_list(sort: str, expected: list[int], said: str) -> None:
    assert addresses(sort=sort) == [FEW[at].address for at in expected]
    assert shown(sort=sort).sort == said


def test_addresses_sort_as_numbers() -> None:
    shuffled = [FEW[at] for at in (3, 1, 4, 0, 2)]
    assert sorted(shuffled, key=number) == FEW


@pytest.mark.parametrize(
    ("page", "number"),
    [(1, 1), ("3", 3), (4, 3), (0, 3), ("x", 1), ("9" * 5000, 1)],
)
def test_paging_the_list(page: Any, number: int) -> None:
    many = tuple(ip(f"10.0.{at // 256}.{at % 256}") for at in range(2 * PER_PAGE + 1))
    found = listing(Inventory(many, datetime.now(UTC)), page=page)
    assert (found.page.number, found.page.paginator.num_pages) == (number, 3)


def test_an_empty_organization_has_one_empty_page() -> None:
    found = listing(Inventory((), datetime.now(UTC)), page=7)
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
