"""Sentences about addresses."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from ipadmin.katapult.types import Allocation, IPAddress
from ipadmin.models import ApiToken, AuditEntry
from ipadmin.services.confirmation import Confirmation, MachineFacts
from ipadmin.services.listing import Filters, listing
from ipadmin.services.snapshots import Inventory, Machine
from ipadmin.ui import address_texts

AT = datetime(2026, 11, 23, 12, 0, 40, tzinfo=UTC)
WEB = Allocation("vm_1", "VirtualMachine", "web-01")
SCOPE = "virtual_machines:read"
TOKEN = ApiToken(id=uuid.UUID(int=1), organization_name="Acme")


def ip(allocation: Allocation | None = WEB, reverse_dns: str = "") -> IPAddress:
    return IPAddress("ip_1", "192.0.2.7", allocation=allocation, reverse_dns=reverse_dns, vip=False)


def confirmation(*, is_last_of_family: bool | None = False) -> Confirmation:
    return Confirmation(uuid.uuid4(), ip(), is_last_of_family, in_organization=True)


@pytest.mark.parametrize(
    ("state", "query", "title", "text", "links"),
    [
        ("all", "zebra", "No results for “zebra”", "The search covers", ["Clear search"]),
        (
            "unallocated",
            "web",
            "No results for “web”",
            "1 other address matches.",
            ["Show all", "Clear search"],
        ),
        ("unallocated", "", "No unallocated addresses", "", ["Show all addresses"]),
    ],
)
def test_empty_list_offers_a_way_out(
    state: str, query: str, title: str, text: str, links: list[str]
) -> None:
    shown = listing(Inventory((ip(),), AT), Filters(state=state, q=query))
    empty = address_texts.empty_list(shown, TOKEN)
    assert (empty.title, [link.text for link in empty.links]) == (title, links)
    assert text in empty.text


def test_empty_organization() -> None:
    empty = address_texts.empty_list(listing(Inventory((), AT), Filters()), TOKEN)
    assert empty.links == (("Check the token", TOKEN.get_absolute_url()),)
    assert empty.title == "This organization has no addresses"
    assert "for Acme" in empty.text


def test_column_heads_sort_and_reverse() -> None:
    columns = list(address_texts.columns(listing(Inventory((), AT), Filters(sort="-vip"))))
    assert [column.direction for column in columns] == ["", "", "", "descending"]
    assert [column.next_sort for column in columns][2:] == ["reverse_dns", "vip"]


@pytest.mark.parametrize(
    ("read", "total", "progress", "part"),
    [(1, 10_000, "1 of 10,000", 0.0001), (1, None, "1", None), (0, 0, "0", None)],
)
def test_progress_of_a_reading(read: int, total: int | None, progress: str, part: Any) -> None:
    status = address_texts.list_status(Inventory((ip(),) * read, AT, total=total))
    assert (status.progress, status.part, status.warning) == (progress, part, "")


def test_an_incomplete_list_says_so() -> None:
    status = address_texts.list_status(Inventory((ip(),), AT, is_complete=False, total=9))
    assert status.warning == "This list is not complete: 1 of 9 addresses were read."


@pytest.mark.parametrize(
    ("may", "machines", "hint"),
    [
        (False, {}, f"Names of machines are not shown: this token lacks the scope {SCOPE}."),
        (
            False,
            {"vm_1": Machine("vm_1", "web-01", as_of=AT)},
            f"Names of machines are from the history: this token lacks the scope {SCOPE}.",
        ),
        (True, {}, "The names of machines could not be read."),
    ],
)
def test_a_hint_says_why_names_are_missing(may: bool, machines: Any, hint: str) -> None:
    token = ApiToken(can_list_machines=may)
    inventory = Inventory((ip(),), AT, machines=machines)
    assert address_texts.names_hint(inventory, token) == hint
    assert address_texts.names_hint(replace(inventory, has_names=True), token) == ""
    assert address_texts.names_hint(replace(inventory, is_complete=False), token) == ""
    assert address_texts.names_hint(Inventory((ip(None),), AT), token) == ""


@pytest.mark.parametrize(
    ("allocation", "in_organization", "question"),
    [
        (WEB, True, "Unallocate 192.0.2.7?"),
        (WEB, None, "Unallocate 192.0.2.7?"),
        (None, None, "192.0.2.7 is already unallocated"),
        (WEB, False, "192.0.2.7 can't be unallocated here"),
        (Allocation("lb_1", "LoadBalancer"), True, "192.0.2.7 can't be unallocated here"),
    ],
)
def test_the_title_of_a_confirmation(
    allocation: Allocation | None, in_organization: bool | None, question: str
) -> None:
    shown = replace(confirmation(), ip=ip(allocation), in_organization=in_organization)
    before, after = address_texts.question(shown)
    assert f"{before} 192.0.2.7{after}".strip() == question


def test_the_confirmation_shows_the_machine() -> None:
    others = tuple(f"192.0.2.{number}" for number in range(8))
    machine = MachineFacts("web-01", "shutting_down", "", ("web", "production"), others)
    assert address_texts.machine_facts(machine) == [
        ("State", "Shutting down"),
        ("Zone", ""),
        ("Tags", "web, production"),
        ("Other IPs", ", ".join(others[:6]) + " and 2 more"),
    ]


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
