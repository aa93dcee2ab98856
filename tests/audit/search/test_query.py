"""What a typed text is understood as, and what it finds."""

from __future__ import annotations

import uuid
from typing import Any
from uuid import UUID

import pytest
from django.db.models import Q
from hypothesis import given, settings
from hypothesis import strategies as st

from ipadmin.audit.search import pages, plan
from ipadmin.audit.search.plan import fetch_plan
from ipadmin.audit.search.query import Search, interpret
from ipadmin.models import AuditEntry, AuditValueCounter, Outcome
from tests.history import keep

pytestmark = pytest.mark.django_db

ATTEMPT = UUID("0f3c8a52-9f6e-4b8e-8a2e-1c5d7e9f0a1b")
TOKEN = UUID("7d1f5a3e-2b4c-4d6e-9f80-a1b2c3d4e5f6")
OURS = "5bb8b37066680e3a355962e6d5bd0c5f"
KATAPULTS = "c0ffee00-1234-4abc-8def-0123456789ab"


def found(typed: str) -> list[AuditEntry]:
    """By the page, which finds what the whole condition does."""
    asked = Search(interpretation=interpret(typed))
    entries = pages.page(fetch_plan(asked)).entries
    assert entries == list(AuditEntry.objects.filter(asked.q))
    return entries


@pytest.fixture
def wanted() -> AuditEntry:
    other = {"allocation_id": "vm_Other", "allocation_name": "db", "address_id": "ip_Other"}
    keep(**other, address="198.51.100.9", user_name="zoe")
    return keep(
        attempt_id=ATTEMPT,
        address="185.44.255.215",
        address_id="ip_AbCdEfGh",
        allocation_id="vm_WebServer1",
        allocation_name="Web_01% shop",
        reverse_dns="Mail.Example.NET",
        user_name="Dörte.Groß",
        token_id=TOKEN,
        organization_id="org_AcmeAcme",
        outcome=Outcome.FAILED,
        error_code="permission_denied",
        request_id=OURS,
        katapult_request_id=KATAPULTS,
    )


@pytest.mark.parametrize(
    "typed",
    [
        "185.44.255.215",
        "  185.44.255.215 ",
        "185.44.",
        "185.44",
        "185.4",
        "185.44.252.0/22",
        "185.44.255.215/22",
        "185.44.252.0/255.255.252.0",
        "128.0.0.0/2",
        "ip_AbCdEfGh",
        "vm_WebServer1",
        "VM_WEBSERVER1",
        "org_AcmeAcme",
        "web_01% shop",
        "WEB_01%",
        "mail.example.net",
        "MAIL.",
        "dörte.groß",
        "DÖRTE.GROSS",
        "dö",
        "permission_denied",
        OURS,
        str(UUID(OURS)),
        KATAPULTS,
        KATAPULTS.replace("-", ""),
        KATAPULTS.upper(),
        str(ATTEMPT),
        ATTEMPT.hex,
        f"{{{ATTEMPT}}}",
        str(TOKEN),
    ],
)
def test_it_is_found(wanted: AuditEntry, typed: str) -> None:
    assert found(typed) == [wanted]


@pytest.mark.parametrize(
    "typed",
    [
        "185.45.",
        "185.44.255.2",  # an address of its own
        "185.44.255.215/33",
        "185.44.256.",
        "185.44.0255.",
        "86.44.",
        "ip_abcdefgh",
        "ip_AbCd",
        "vm_Web",
        "web-01",
        "web_01_",
        "eb_01",
        "%",
        "_",
        "\\",
        "permission",
        "denied",
        OURS[:-1],
        "groß",
        "'; DROP TABLE ipadmin_auditentry; --",
        "💩",
        "\u202emoc.elpmaxe",
        "א",
        "x" * 500,
        "0" * 500,
        "1." * 250,
        ":" * 40,
        "::",
        "/",
        "//",
        "1/1/1",
    ],
)
def test_nothing_is_found(wanted: AuditEntry, typed: str) -> None:
    assert found(typed) == []


@pytest.mark.parametrize(
    "typed",
    [
        "2001:DB8:1:2::7",
        "2001:0db8:0001:0002:0000:0000:0000:0007",
        "2001:db8:1:2::0.0.0.7",
        "2001:db8:1:2::7%eth0",
        "2001:db8:1:",
        "2001:db8:1:2:",
        "2001:db8",
        "2001:D",
        "2001:db8:1:2::",
        "2001:db8::/32",
        "2001:db8:1:2::7/64",
        "::/0",
    ],
)
def test_an_ipv6_address_however_it_is_written(typed: str) -> None:
    wanted = keep(address="2001:db8:1:2::7")
    keep(address="2001:1b8::7" if "/0" not in typed else "192.0.2.1")
    assert found(typed) == [wanted]


def test_the_first_address_of_all() -> None:
    assert found("::") == [] != [keep(address="::")] == found("::")


@pytest.mark.parametrize(
    "id", ["req.2026-11-23:14.05", "req_0123456789", "A-B-C-D-E-F-G", "x" * 64, "no_such_thing"]
)
@pytest.mark.parametrize("name", ["request_id", "katapult_request_id"])
def test_request_ids_of_any_form(name: str, id: str) -> None:
    wanted = keep(**{name: id})
    keep(**{name: "another"})
    assert found(id) == [wanted]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("185.44.255.215", "the address 185.44.255.215"),
        ("2001:DB8:0::1", "the address 2001:db8::1"),
        ("185.44.", "addresses that begin with 185.44."),
        ("185.44.253.1/22", "addresses from 185.44.252.0 to 185.44.255.255"),
        ("ip_Nobodys", "the id ip_Nobodys"),
        ("disk_full1", "the id or code disk_full1, and names that begin with it"),
        ("web", "names that begin with “web”, error codes and request ids"),
    ],
)
def test_it_is_said_what_was_understood(typed: str, said: str) -> None:
    assert interpret(typed).text == said


def test_a_code_that_looks_like_an_id() -> None:
    wanted = keep(outcome=Outcome.FAILED, error_code="no_allocation")
    assert found("no_allocation") == [wanted]


def test_a_name_that_looks_like_an_id() -> None:
    wanted = keep(allocation_name="web_server1")
    assert found("web_server1") == [wanted]


def test_what_others_have_does_not_show_in_the_words() -> None:
    said = interpret("disk_full1").text
    wanted = [keep(allocation_name="disk_full123")]
    wanted += [keep(outcome=Outcome.FAILED, error_code="disk_full1")]
    assert interpret("disk_full1").text == said
    assert found("disk_full1") == wanted[::-1]


@pytest.mark.parametrize("outcome", [Outcome.PENDING, Outcome.UNKNOWN])
@pytest.mark.parametrize("typed", ["192.0.2.7", "192.0.", "vm_New0", "new", "carl", "org_New0"])
def test_what_is_open_is_found_though_it_is_not_counted(typed: str, outcome: str) -> None:
    names = {"allocation_id": "vm_New0", "allocation_name": "new", "organization_id": "org_New0"}
    wanted = keep(outcome=outcome, finished_at=None, user_name="carl", **names)
    assert not AuditValueCounter.objects.exists()
    assert found(typed) == [wanted]


# What it costs


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "MAX_SORTED_ENTRIES", 3)
    monkeypatch.setattr(plan, "MAX_SEPARATE_VALUES", 2)


def scans(typed: str) -> list[tuple[int, bool]]:
    """The number of entries of each index scan, and whether it is read as a whole."""
    found = fetch_plan(Search(interpretation=interpret(typed))).scans
    return [(each.entries, each.few is not None) for each in found]


def test_one_value_is_followed_in_its_order(tiny: None) -> None:
    for _ in range(4):
        keep()
    assert scans("192.0.2.7") == [(4, False), (0, True)]


def test_what_is_open_is_found_beside_the_many_that_are_counted(tiny: None) -> None:
    wanted = [keep(outcome=Outcome.PENDING if n == 2 else Outcome.FAILED) for n in range(6)][::-1]
    assert found("192.0.2.7") == found("web-01") == found("vm_0000000000000001") == wanted


def test_few_entries_of_many_values_are_read_as_a_whole(tiny: None) -> None:
    for number in range(3):
        keep(address=f"192.0.2.{number}")
    assert scans("192.0.2.") == [(3, True)]


def test_many_entries_of_many_values_are_followed_by_time(tiny: None) -> None:
    for number in range(4):
        keep(address=f"192.0.2.{number}")
    assert scans("192.0.2.") == [(4, False)]


def test_a_token_of_many_attempts_is_known_as_such(tiny: None) -> None:
    for _ in range(4):
        keep(token_id=TOKEN)
    assert (4, False) in scans(str(TOKEN))


def test_the_filter_with_the_fewest_entries_is_read_by_index() -> None:
    for _ in range(3):
        keep()
    keep(user_name="bob")
    keep(user_name="carol", environment="live")
    asked = Search(people=["alice", "bob"], environment="live", outcomes=["failed"])
    found = fetch_plan(asked)
    assert [each.q for each in found.scans] == [Q(outcome="failed")]
    assert found.filters == [
        Q(environment="live"),
        Q(user_name_key="alice") | Q(user_name_key="bob"),
    ]


def test_nobodys_organizations_have_no_entries() -> None:
    keep()
    assert pages.page(fetch_plan(Search(organizations=[]))).entries == []
    assert not AuditEntry.objects.filter(Search(organizations=[]).q)


# Whatever is typed


@settings(max_examples=150, deadline=None)
@given(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=200)
    | st.from_regex(r"[0-9a-f.:/%_-]{1,40}", fullmatch=True)
)
def test_anything_is_understood_as_something(typed: str) -> None:
    understood = interpret(typed)
    assert understood.text
    assert not AuditEntry.objects.filter(understood.q)
    assert pages.page(fetch_plan(Search(interpretation=understood))).entries == []


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_every_beginning_of_a_name_finds_it(data: Any) -> None:
    name = data.draw(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1))
    key = uuid.uuid4().hex
    keep(allocation_name=f"x{key}{name}")
    typed = f"x{key}{name}"[: data.draw(st.integers(12, 33 + len(name)))].strip()
    assert len(found(typed)) == 1
