"""Sentences about addresses."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest

from ipadmin.katapult.types import Allocation, IPAddress
from ipadmin.models import AuditEntry
from ipadmin.services.confirmation import Confirmation
from ipadmin.services.inventory import Inventory
from ipadmin.services.listing import listing
from ipadmin.ui import address_texts

AT = datetime(2026, 11, 23, 12, 0, 40, tzinfo=UTC)
WEB = Allocation("vm_1", "VirtualMachine", "web-01")


def ip(allocation: Allocation | None = WEB, reverse_dns: str = "") -> IPAddress:
    return IPAddress("ip_1", "192.0.2.7", allocation=allocation, reverse_dns=reverse_dns, vip=False)


def confirmation(*, is_last_of_family: bool | None = False) -> Confirmation:
    return Confirmation(uuid.uuid4(), ip(), is_last_of_family, in_organization=True)


@pytest.mark.parametrize(
    ("state", "query", "title", "text", "show_all"),
    [
        ("all", "zebra", "No results for “zebra”", "The search covers", ""),
        ("unallocated", "web", "No results for “web”", "1 other address matches.", "Show all"),
        ("unallocated", "", "No unallocated addresses", "", "Show all 1"),
    ],
)
def test_empty_list_offers_a_way_out(
    state: str, query: str, title: str, text: str, show_all: str
) -> None:
    shown = listing(Inventory((ip(),), AT), state=state, query=query)
    empty = address_texts.empty_list(shown, "Acme")
    assert (empty.title, empty.show_all) == (title, show_all)
    assert text in empty.text


def test_empty_organization() -> None:
    empty = address_texts.empty_list(listing(Inventory((), AT)), "Acme")
    assert empty.title == "This organization has no addresses"
    assert "for Acme" in empty.text


def test_column_heads_sort_and_reverse() -> None:
    columns = list(address_texts.columns(listing(Inventory((), AT), sort="-vip")))
    assert [column.direction for column in columns] == ["", "", "", "descending"]
    assert [column.next_sort for column in columns][2:] == ["reverse_dns", "vip"]


def test_no_warning_for_an_ordinary_address() -> None:
    assert list(address_texts.warnings(confirmation(), [])) == []


@pytest.mark.parametrize(
    ("is_last", "tone", "title"),
    [
        (True, "danger", "The last IPv4 address of web-01"),
        (None, "info", "Not checked whether this is the last IPv4 address of web-01"),
    ],
)
def test_warning_about_the_last_address_of_a_machine(
    is_last: bool | None, tone: str, title: str
) -> None:
    (warning,) = address_texts.warnings(confirmation(is_last_of_family=is_last), [])
    assert (warning.tone, warning.title) == (tone, title)


def test_warning_about_an_open_attempt_links_to_it() -> None:
    attempt = AuditEntry(attempt_id=uuid.uuid4(), user_name="bob", created_at=AT)
    finished = AuditEntry(attempt_id=uuid.uuid4(), created_at=AT, finished_at=AT)
    (warning,) = address_texts.warnings(confirmation(), [attempt, finished])
    assert "attempt by bob at 12:00:40 UTC" in warning.lines[0]
    assert warning.link
    assert warning.link.url == attempt.get_absolute_url()


@pytest.mark.parametrize(
    ("listed", "title"),
    [
        (False, "Not in the addresses of Acme"),
        (None, "Not checked whether this address belongs to Acme"),
    ],
)
def test_membership_warns_unless_the_address_is_listed(listed: bool | None, title: str) -> None:
    notice = address_texts.membership(listed, "Acme")
    assert notice
    assert notice.title == title
    assert address_texts.membership(in_organization=True, organization="Acme") is None


@pytest.mark.parametrize(
    ("allocation", "lead"),
    [
        (None, "Not allocated"),
        (WEB, "Allocated to web-01"),
        (Allocation("vm_2", None), "Allocated to vm_2"),
    ],
)
def test_allocation_lead(allocation: Allocation | None, lead: str) -> None:
    assert address_texts.allocation_lead(ip(allocation=allocation)) == lead


@pytest.mark.parametrize(
    ("reverse_dns", "text"),
    [
        ("web.example.net", "Will be lost and reset to Katapult's default"),
        ("192-0-2-7.rdns.katapult.io", "Katapult's default"),
        ("", "Katapult's default"),
    ],
)
def test_only_custom_reverse_dns_will_be_lost(reverse_dns: str, text: str) -> None:
    assert address_texts.reverse_dns_after(ip(reverse_dns=reverse_dns)) == text


def test_default_host_is_known_for_ipv4_only() -> None:
    assert address_texts.default_host("192.0.2.7") == "192-0-2-7.rdns.katapult.io"
    assert address_texts.default_host("2001:db8::7") == ""
