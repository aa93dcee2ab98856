"""What the search from anywhere shows of what was found."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from django.utils import timezone

from ipadmin.access import Abilities
from ipadmin.audit.search.pages import ListedEntry
from ipadmin.katapult.types import Allocation, IPAddress
from ipadmin.models import ApiToken
from ipadmin.services.find import Found, FoundAddress, FoundMachine, Pasted
from ipadmin.services.snapshots import Machine
from ipadmin.ui import search_results
from tests.history import attempt

TOKEN = ApiToken(id=uuid.UUID(int=1), label="Live", organization_name="Acme")
PATH = f"/tokens/{TOKEN.id}"
ALL = Abilities(
    may_unallocate=True, may_view_history=True, may_verify_history=True, may_manage_people=True
)
AUDITOR = Abilities(may_view_history=True, may_verify_history=True)
WEB = Allocation("vm_1", "VirtualMachine")


def address(of: Allocation | None = WEB, why_not: str = "", name: str = "web-01") -> FoundAddress:
    ip = IPAddress("ip_1", "192.0.2.7", "web.example.net", vip=False, allocation=of)
    return FoundAddress(TOKEN, ip, Machine("vm_1", name) if name else None, why_not)


def groups(text: str = "x", abilities: Abilities = ALL, **found: object) -> dict[str, list[str]]:
    """The titles of the hits by group."""
    results = search_results.results(text, abilities, Found(**found), [], [])  # type: ignore[arg-type]
    return {group.title: [hit.title for hit in group.hits] for group in results.groups}


def test_an_address_offers_its_page_and_its_confirmation() -> None:
    hit = search_results.address(address())
    assert (hit.title, hit.detail, hit.note) == ("192.0.2.7", "web-01 · Acme", "")
    assert hit.url == f"{PATH}/addresses/ip_1/"
    assert hit.unallocate == f"{PATH}/addresses/ip_1/unallocate/"


@pytest.mark.parametrize(
    ("found", "detail", "note"),
    [
        (address(None, "Not allocated", ""), "Not allocated · Acme", ""),
        (address(WEB, "Because", ""), "vm_1 · Acme", "Because"),
    ],
)
def test_an_address_that_cannot_be_unallocated(found: FoundAddress, detail: str, note: str) -> None:
    hit = search_results.address(found)
    assert (hit.detail, hit.note, hit.unallocate) == (detail, note, "")


def test_an_id_that_is_not_katapults_has_no_links() -> None:
    ip = IPAddress("ip 1/é", "192.0.2.7", None, vip=False, allocation=WEB)
    hit = search_results.address(FoundAddress(TOKEN, ip, None, ""))
    assert (hit.title, hit.url, hit.unallocate) == ("192.0.2.7", "", "")
    of = search_results.machine(FoundMachine(TOKEN, Machine("vm 1/é", "web-01")))
    assert (of.title, of.url) == ("web-01", "")


def test_groups_without_hits_are_left_out() -> None:
    assert groups() == {}
    assert groups(
        addresses=[address()],
        machines=[FoundMachine(TOKEN, Machine("vm_1", "web-01"))],
        organizations=[TOKEN],
    ) == {"Addresses": ["192.0.2.7"], "Machines": ["web-01"], "Organizations": ["Acme"]}


def test_more_addresses_are_in_the_list() -> None:
    found = Found(addresses=[address()], total_addresses=1234)
    [group] = search_results.results("a&b", ALL, found, [], []).groups
    assert (group.more, group.more_url) == ("All 1,234 addresses", f"{PATH}/addresses/?q=a%26b")


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("192.0.2.9", f"{PATH}/lookup/?q=192.0.2.9"),
        ("ip_0000000000000009", f"{PATH}/addresses/ip_0000000000000009/"),
        ("vm_0000000000000009", f"{PATH}/machines/vm_0000000000000009/"),
    ],
)
def test_a_link_looks_up_what_no_list_has(text: str, url: str) -> None:
    [group] = search_results.results(text, ALL, Found(can_look_up=[TOKEN]), [], []).groups
    [hit] = group.hits
    assert (hit.title, hit.url) == (f"Look up {text} now", url)
    assert hit.detail == "Acme, with the token Live"


@pytest.mark.parametrize(
    ("text", "abilities", "titles"),
    [
        ("tok", ALL, ["Tokens", "Add a token"]),
        ("add tok", ALL, ["Add a token"]),
        ("history", ALL, ["History", "Integrity of the history"]),
        ("history", AUDITOR, ["History", "Integrity of the history"]),
        ("password", Abilities(), ["Change password"]),
        ("passkey", Abilities(), ["Your account"]),
    ],
)
def test_pages_are_found_by_their_words(text: str, abilities: Abilities, titles: list[str]) -> None:
    assert groups(text, abilities) == {"Pages": titles}


@pytest.mark.parametrize(("text", "abilities"), [("tokens", AUDITOR), ("people", AUDITOR)])
def test_pages_of_other_roles_are_not_found(text: str, abilities: Abilities) -> None:
    assert groups(text, abilities) == {}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("action", "shown"), [("unallocate", "Succeeded"), ("allocate", "Allocate · Succeeded")]
)
def test_an_entry_says_what_when_who_and_why(action: str, shown: str) -> None:
    at = datetime(2026, 11, 3, 23, 30, tzinfo=UTC)
    entry = attempt(reason="OPS-1", created_at=at, action=action)
    listed = ListedEntry(*(getattr(entry, name) for name in ListedEntry._fields[:-1]))
    with timezone.override("Asia/Kolkata"):
        [group] = search_results.results("OPS-1", AUDITOR, Found(), [listed], []).groups
    [hit] = group.hits
    assert hit.detail == f"{shown} · 4 Nov 2026 · alice · OPS-1"
    assert hit.url == entry.get_absolute_url()
    assert group.more_url == "/audit/?q=OPS-1&when=all"


def test_a_person_leads_to_their_attempts() -> None:
    [group] = search_results.results("al", AUDITOR, Found(), [], ["al ice"]).groups
    assert [hit.url for hit in group.hits] == ["/audit/?person=al+ice&when=all"]


def test_a_pasted_text_is_summed_up_and_grouped() -> None:
    found = Pasted(
        addresses=[address(), address(None, "Not allocated"), address(WEB, "Because")],
        unknown=["203.0.113.9"],
        not_read=[TOKEN],
        cut="Only a part",
    )
    shown = search_results.pasted(found)
    assert shown.summary == (
        "1 can be unallocated, 1 not allocated, 1 can't be unallocated, 1 not found. Only a part."
    )
    assert [group.title for group in shown.groups] == [
        "Can be unallocated",
        "Not allocated",
        "Can't be unallocated",
        "Not found in any organization",
        "Not searched: addresses not read yet",
    ]
    assert shown.groups[3].hits[0].url == "/search/?q=203.0.113.9"
    assert shown.groups[4].hits[0].url == f"{PATH}/addresses/"


def test_addresses_of_two_tokens_are_selected_apart() -> None:
    other = ApiToken(id=uuid.UUID(int=2), label="Live", organization_name="Brook")
    found = Pasted(addresses=[address(), replace(address(), token=other)])
    first, second = search_results.pasted(found).groups
    assert (first.title, second.title) == (
        "Can be unallocated · Acme",
        "Can be unallocated · Brook",
    )
    assert (first.select_url, second.select_url) == (
        f"{PATH}/runs/add/",
        f"/tokens/{other.id}/runs/add/",
    )
    assert [hit.id for hit in first.hits] == ["ip_1"]


def test_a_pasted_text_without_a_match() -> None:
    assert search_results.pasted(Pasted()).summary == "No addresses found."
