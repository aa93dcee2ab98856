"""The meaning of a search text, the entries it finds, and the plan to find them."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from ipadmin.audit.search import pages, people, plan
from ipadmin.audit.search.plan import fetch_plan
from ipadmin.audit.search.query import Search, interpret
from ipadmin.models import AuditEntry, AuditValueCounter, Outcome, User
from tests.examples import share_of
from tests.history import id_of, keep

pytestmark = pytest.mark.django_db

ATTEMPT = UUID("0f3c8a52-9f6e-4b8e-8a2e-1c5d7e9f0a1b")
TOKEN = UUID("7d1f5a3e-2b4c-4d6e-9f80-a1b2c3d4e5f6")
OURS = "5bb8b37066680e3a355962e6d5bd0c5f"
KATAPULTS = "c0ffee00-1234-4abc-8def-0123456789ab"


def found(typed: str) -> list[AuditEntry]:
    """By the page, which finds what the whole condition does."""
    asked = Search(interpretation=interpret(typed, people.beginning))
    entries = list(AuditEntry.objects.filter(asked.q))
    shown = pages.page(fetch_plan(asked)).entries
    assert [each.pk for each in shown] == [each.pk for each in entries]
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
        "ip_AbCdEfGh",
        "vm_WebServer1",
        "org_AcmeAcme",
        "web_01% shop",
        "WEB_01%",
        "mail.example.net",
        "DÖRTE.GROSS",
        "permission_denied",
        OURS,
        str(UUID(OURS)),
        KATAPULTS,
        KATAPULTS.upper(),
        str(ATTEMPT),
        ATTEMPT.hex,
        str(TOKEN),
    ],
)
def test_a_text_finds_the_entry(wanted: AuditEntry, typed: str) -> None:
    assert found(typed) == [wanted]


@pytest.mark.parametrize(
    "typed",
    [
        "185.45.",
        "185.44.255.2",  # an address of its own
        "185.44.255.215/33",
        "185.44.256.",
        "ip_abcdefgh",
        "vm_Web",
        "web-01",
        "web_01_",
        "eb_01",
        "%",
        "denied",
        OURS[:-1],
        "groß",
        "'; DROP TABLE ipadmin_auditentry; --",
        "💩",
        "x" * 500,
        "::",
        "/",
    ],
)
def test_a_text_that_finds_nothing(wanted: AuditEntry, typed: str) -> None:
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


def test_the_address_with_zeros_only() -> None:
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
        (
            "disk_full1",
            "the id or code disk_full1, names that begin with it, reasons with the words",
        ),
        (
            "web",
            "names that begin with “web”, reasons with the word, error codes and request ids",
        ),
    ],
)
def test_the_reader_sees_the_meaning_of_a_text(typed: str, said: str) -> None:
    assert interpret(typed).text == said


def test_a_code_that_looks_like_an_id() -> None:
    wanted = keep(outcome=Outcome.FAILED, error_code="no_allocation")
    assert found("no_allocation") == [wanted]


def test_a_name_that_looks_like_an_id() -> None:
    wanted = keep(allocation_name="web_server1")
    assert found("web_server1") == [wanted]


def test_the_meaning_does_not_depend_on_entries() -> None:
    said = interpret("disk_full1").text
    wanted = [keep(allocation_name="disk_full123")]
    wanted += [keep(outcome=Outcome.FAILED, error_code="disk_full1")]
    assert interpret("disk_full1").text == said
    assert found("disk_full1") == wanted[::-1]


@pytest.mark.parametrize("outcome", [Outcome.PENDING, Outcome.UNKNOWN])
@pytest.mark.parametrize("typed", ["192.0.2.7", "192.0.", "vm_New0", "new", "carl", "org_New0"])
def test_unfinished_entries_are_found_without_counters(typed: str, outcome: str) -> None:
    names = {"allocation_id": "vm_New0", "allocation_name": "new", "organization_id": "org_New0"}
    User.objects.create(username="carl")
    wanted = keep(outcome=outcome, finished_at=None, user_name="carl", **names)
    assert not AuditValueCounter.objects.exists()
    assert found(typed) == [wanted]


def test_unfinished_entries_are_found_beside_frequent_values(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plan, "MAX_SORTED_ENTRIES", 3)
    wanted = [keep(outcome=Outcome.PENDING if n == 2 else Outcome.FAILED) for n in range(6)][::-1]
    assert found("192.0.2.7") == found("web-01") == found("vm_0000000000000001") == wanted


# Whatever is typed


@settings(max_examples=share_of(150), deadline=None)
@given(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=200)
    | st.from_regex(r"[0-9a-f.:/%_-]{1,40}", fullmatch=True)
)
def test_any_text_has_a_meaning(typed: str) -> None:
    understood = interpret(typed)
    assert understood.text
    assert not AuditEntry.objects.filter(understood.q)
    assert pages.page(fetch_plan(Search(interpretation=understood))).entries == []


@settings(max_examples=share_of(60), deadline=None)
@given(st.data())
def test_every_beginning_of_a_name_finds_it(data: Any) -> None:
    name = data.draw(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1))
    key = uuid.uuid4().hex
    keep(allocation_name=f"x{key}{name}")
    typed = f"x{key}{name}"[: data.draw(st.integers(12, 33 + len(name)))].strip()
    assert len(found(typed)) == 1


@pytest.mark.parametrize(
    "typed", ["OPS-4685", "ops-46", "ops", "FAILOVER", "server retired", "ops-4685 ret", "straße"]
)
@pytest.mark.parametrize("limit", [2000, 1])
@pytest.mark.parametrize("finished_at", [None, timezone.now()])
def test_the_words_of_a_reason(
    typed: str, limit: int, finished_at: datetime | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "MAX_SORTED_ENTRIES", limit)
    reason = "Server retired after a failover (OPS-4685), see STRASSE."
    wanted = [keep(reason=reason, finished_at=finished_at) for _ in range(3)][::-1]
    keep(reason="Retire that one, XOPS-4685, NOPS-46, CHG-1"), keep(reason="")
    assert found(typed) == wanted


def test_the_reasons_of_one_person_are_found_beside_frequent_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plan, "MAX_SORTED_ENTRIES", 2)
    monkeypatch.setattr(pages, "SEARCHED_ENTRIES", (1, 9))
    kept = [keep(reason="moved today", user_name=name) for name in ("bob", "eve") * 4][::-1]
    search = Search(
        people=[id_of("bob")], interpretation=interpret("moved today", people.beginning)
    )
    found = pages.page(plan.fetch_plan(search)).entries
    assert [each.pk for each in found] == [each.pk for each in kept if each.user_name == "bob"]
