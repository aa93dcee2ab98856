"""A later read that shows an address unallocated although its attempt was closed as `failed`."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier
from typing import Any

import httpx
import pytest
from django.db import OperationalError, connection, connections
from django.utils import timezone
from structlog.testing import capture_logs

from ipadmin.audit.integrity import chain
from ipadmin.katapult.types import Allocation, IPAddress, Secret
from ipadmin.models import ApiToken, AuditEntry, AuditLink, Basis, LinkKind, Outcome
from ipadmin.services import evidence, inventory, later_reads
from ipadmin.services.confirmation import Confirmation
from ipadmin.services.later_reads import COMPARED_FOR, LaterRead, Source
from tests import tampering
from tests.history import keep
from tests.services.conftest import Attempt
from tests.services.katapult import ADDRESS, IP, VM, Katapult

pytestmark = pytest.mark.django_db
FREE = IPAddress(IP, ADDRESS, None, vip=False, allocation=None)


def ago(seconds: float) -> datetime:
    return timezone.now() - timedelta(seconds=seconds)


def attempt_of(age: float = 100, **fields: Any) -> AuditEntry:
    """An attempt that was sent `age` seconds ago, and failed by evidence, unless told."""
    usual: dict[str, Any] = {
        "outcome": Outcome.FAILED,
        "basis": Basis.EVIDENCE,
        "created_at": ago(age),
        "sent_at": ago(age),
        "finished_at": ago(min(age, 10)),
        "address_id": IP,
    }
    return keep(**usual | fields)


def note(*addresses: IPAddress, read_at: datetime | None = None) -> None:
    later_reads.note(addresses or [FREE], read_at or timezone.now(), Source.LIST)


def kept() -> list[dict[str, Any]]:
    found = AuditLink.objects.filter(kind=LinkKind.READ_LATER).order_by("sequence")
    return [seal.details or {} for seal in found]


def test_the_first_later_read_is_kept_in_the_chain() -> None:
    entry, first = attempt_of(), timezone.now()
    note(read_at=first)
    note()
    assert kept() == [
        {
            "attempt_id": str(entry.attempt_id),
            "address_id": IP,
            "address": ADDRESS,
            "read_at": first.isoformat(),
            "source": "list of addresses",
        }
    ]
    assert later_reads.of(entry) == LaterRead(first, "list of addresses", has_competing=False)
    assert tampering.finding() == ""


@pytest.mark.parametrize(
    "fields",
    [
        {"outcome": Outcome.SUCCEEDED},
        {"outcome": Outcome.UNKNOWN},
        {"basis": Basis.ANSWER},
        {"address_id": "ip_other"},
        {"api_url": "https://elsewhere.test"},
        {"finished_at": ago(COMPARED_FOR.total_seconds() + 60)},
    ],
)
def test_a_later_read_contradicts_only_attempts_failed_by_evidence(fields: dict[str, Any]) -> None:
    entry = attempt_of(**fields)
    note()
    assert (kept(), later_reads.of(entry)) == ([], None)


def test_a_read_from_before_the_entry_was_finished_says_nothing() -> None:
    attempt_of()
    note(read_at=ago(11))
    assert kept() == []


def test_a_later_read_of_an_allocated_address_is_not_stored() -> None:
    attempt_of()
    note(IPAddress(IP, ADDRESS, None, vip=False, allocation=Allocation(VM, None)))
    assert kept() == []


@pytest.mark.parametrize(
    ("age", "fields", "is_explained"),
    [
        (50, {"outcome": Outcome.SUCCEEDED, "basis": Basis.ANSWER}, True),
        (50, {"outcome": Outcome.UNKNOWN}, True),
        (50, {"outcome": Outcome.UNKNOWN, "finished_at": None}, True),
        (300, {"outcome": Outcome.UNKNOWN}, True),
        (50, {"outcome": Outcome.FAILED, "basis": Basis.ANSWER}, False),
        (50, {"outcome": Outcome.REFUSED, "basis": Basis.CHECK, "sent_at": None}, False),
        (50, {"outcome": Outcome.SUCCEEDED, "address_id": "ip_other"}, False),
        (300, {"outcome": Outcome.SUCCEEDED, "finished_at": ago(200)}, False),
    ],
)
def test_a_later_read_that_another_attempt_explains_is_not_kept(
    age: float, fields: dict[str, Any], is_explained: bool
) -> None:
    attempt_of()
    attempt_of(age, **fields)
    note()
    assert len(kept()) == (0 if is_explained else 1)


def test_of_several_that_failed_the_newest_names_the_others() -> None:
    first, second = attempt_of(300), attempt_of(50)
    note()
    (details,) = kept()
    assert details["attempt_id"] == str(second.attempt_id)
    assert details["competing"] == [str(first.attempt_id)]
    found = later_reads.of(second)
    assert found
    assert found.has_competing


def test_two_processes_keep_a_later_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the other had written it after this one has asked."""
    attempt_of()
    note()
    monkeypatch.setattr(later_reads, "_contradicted", lambda *_: [(AuditEntry.objects.get(), [])])
    note()
    assert len(kept()) == 1


@pytest.mark.django_db(transaction=True)
def test_two_threads_keep_a_later_read_once() -> None:
    attempt_of()
    together = Barrier(2)

    def read() -> None:
        together.wait()
        try:
            note()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        for each in [pool.submit(read) for _ in range(2)]:
            each.result()
    assert len(kept()) == 1


def test_a_failure_to_keep_a_later_read_is_logged_only(
    token: ApiToken, katapult: Katapult, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked() -> None:
        raise OperationalError("locked")

    attempt_of()
    katapult.holder = None
    monkeypatch.setattr(chain, "locked_chain", locked)
    with capture_logs() as logs:
        assert inventory.find(token, id=IP).allocation is None
    assert "later_read_not_kept" in [line["event"] for line in logs]
    assert kept() == []


@pytest.mark.parametrize("details", ['"x"', "[]", "{}", '{"attempt_id": "%s"}', "no JSON"])
def test_tampered_details_of_a_later_read_are_ignored(details: str) -> None:
    entry = attempt_of()
    note()
    (seal,) = AuditLink.objects.filter(kind=LinkKind.READ_LATER)
    if connection.vendor == "postgresql" and details == "no JSON":
        pytest.skip("PostgreSQL keeps none")
    tampering.link(seal.sequence, "details", details.replace("%s", str(entry.attempt_id)))
    assert later_reads.of(entry) is None


# Which reads are compared


Read = Callable[[ApiToken, Attempt, Confirmation], Any]
READS: dict[str, Read] = {
    "page of the address": lambda token, *_: inventory.find(token, id=IP),
    "list of addresses": lambda token, *_: inventory.read(token),
    "check before another attempt": lambda _, attempt, __: attempt(),
    "confirmation page": lambda token, *_: inventory.find(token, id=IP, source=Source.CONFIRMATION),
}


def listed() -> httpx.Response:
    row = {"id": IP, "address": ADDRESS, "allocation_id": None, "allocation_type": None}
    totals = {"total": 1, "total_pages": 1, "large_set": False}
    pagination = {"current_page": 1, "per_page": 200} | totals
    return httpx.Response(200, json={"pagination": pagination, "ip_addresses": [row]})


@pytest.mark.parametrize("source", READS)
def test_every_read_is_compared_with_failed_attempts(
    token: ApiToken, attempt: Attempt, confirmed: Confirmation, katapult: Katapult, source: str
) -> None:
    entry = attempt_of(sent_at=ago(700))
    katapult.holder = None
    katapult.reads.extend([listed()] if source == "list of addresses" else [])
    READS[source](token, attempt, confirmed)
    found = later_reads.of(entry)
    assert found
    assert found.source == source


def test_a_reading_for_another_attempt_is_compared(katapult: Katapult) -> None:
    """One that cannot have done it: its own request is too old."""
    entry = attempt_of()
    other = attempt_of(5000, outcome=Outcome.UNKNOWN, finished_at=None)
    katapult.holder = None
    evidence.gather(other, Secret("a0token0that0can0be0sent"))
    assert (other.outcome, other.competing_attempts) == (Outcome.UNKNOWN, [str(entry.attempt_id)])
    found = later_reads.of(entry)
    assert found
    assert found.source == "reading for another attempt"


# Cost


def many(free: int) -> list[IPAddress]:
    held = Allocation(VM, None)
    return [
        IPAddress(f"ip_{n}", "", None, vip=False, allocation=None if n < free else held)
        for n in range(10_000)
    ]


def test_later_reads_of_a_list_cost_one_query(django_assert_num_queries: Any) -> None:
    for number in range(3):
        attempt_of(address_id=f"ip_{number}")
    with django_assert_num_queries(1):
        note(*many(0))
    note(*many(3))
    assert len(kept()) == 3
    with django_assert_num_queries(2):
        note(*many(3))


def test_explained_later_reads_cost_constant_queries(django_assert_num_queries: Any) -> None:
    for number in range(3):
        attempt_of(address_id=f"ip_{number}")
        attempt_of(50, address_id=f"ip_{number}", outcome=Outcome.SUCCEEDED)
    with django_assert_num_queries(3):
        note(*many(3))
    assert kept() == []


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL reads small tables whole")
def test_queries_for_later_reads_use_indexes(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(2) as asked:
        note()
        later_reads.of(AuditEntry(outcome="failed", basis="evidence", finished_at=ago(0)))
    plans = []
    for query in asked.captured_queries:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {query['sql']}")
            plans += [row[-1] for row in cursor.fetchall()]
    text = "\n".join(plans)
    assert "audit_failed_by_evidence" in text
    assert "link_activity_at" in text
    assert "SCAN" not in text
