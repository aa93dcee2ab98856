"""Attempts with real transactions, threads and sockets."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any, TypeVar

import httpx
import pytest
from django.conf import settings
from django.db import connection, connections

from ipadmin.katapult.types import Organization
from ipadmin.models import ApiToken, AuditEntry, Outcome, User
from ipadmin.sandbox import Sandbox
from ipadmin.services import confirmation, evidence
from ipadmin.services.attempt import (
    AuditUnavailable,
    Circumstances,
    OutcomeNotWritten,
    carry_out,
)
from ipadmin.services.confirmation import Confirmation
from tests.sandbox_client import some
from tests.services.conftest import PLANTED, Attempt, keep_token
from tests.services.katapult import Katapult

pytestmark = pytest.mark.django_db(transaction=True)

T = TypeVar("T")


def elsewhere(work: Callable[[], T]) -> T:
    """Do something on a database connection of its own."""

    def work_and_close() -> T:
        try:
            return work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work_and_close).result()


@pytest.mark.usefixtures("katapult")
def test_the_entry_is_committed_before_the_call(attempt: Attempt, katapult: Katapult) -> None:
    seen: list[Any] = []

    def look(_: httpx.Request) -> httpx.Response:
        seen.extend(elsewhere(lambda: list(AuditEntry.objects.values())))
        return katapult.land()

    katapult.posts.append(look)
    attempt()
    (entry,) = seen
    assert (entry["outcome"], entry["finished_at"]) == (Outcome.PENDING, None)
    assert entry["sent_at"]


def test_the_entry_is_committed_before_the_address_is_read(
    attempt: Attempt, katapult: Katapult
) -> None:
    seen: list[int] = []

    def look(request: httpx.Request) -> httpx.Response:
        seen.append(elsewhere(AuditEntry.objects.filter(sent_at=None).count))
        return katapult.usual(request)

    katapult.reads.append(look)
    attempt()
    assert seen == [1]


def test_clicks_at_the_same_instant_make_one_call(attempt: Attempt, katapult: Katapult) -> None:
    clicks = 6
    together = threading.Barrier(clicks)

    def click() -> AuditEntry:
        together.wait()
        try:
            return attempt()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(clicks) as pool:
        entries = [each.result() for each in [pool.submit(click) for _ in range(clicks)]]
    assert len({entry.pk for entry in entries}) == AuditEntry.objects.count() == 1
    assert len(katapult.sent) == 1


@contextmanager
def locked_database() -> Iterator[None]:
    """Somebody else holds the write lock for longer than we wait."""
    connection.close()
    before = connection.settings_dict["OPTIONS"]
    connection.settings_dict["OPTIONS"] = {**before, "timeout": 0.05}
    with closing(sqlite3.connect(connection.settings_dict["NAME"])) as other:
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.rollback()
            connection.close()
            connection.settings_dict["OPTIONS"] = before


sqlite_only = pytest.mark.skipif(
    settings.DATABASES["default"]["ENGINE"] != "django.db.backends.sqlite3",
    reason="one writer locks out all others on SQLite only",
)


@sqlite_only
def test_a_locked_database_means_no_call(attempt: Attempt, katapult: Katapult) -> None:
    with locked_database(), pytest.raises(AuditUnavailable):
        attempt()
    assert (katapult.requests, AuditEntry.objects.count()) == ([], 0)


@sqlite_only
def test_a_database_locked_during_the_call_leaves_the_entry_pending(
    attempt: Attempt, katapult: Katapult
) -> None:
    lock = locked_database()

    def lock_and_land(_: httpx.Request) -> httpx.Response:
        lock.__enter__()
        return katapult.land()

    katapult.posts.append(lock_and_land)
    with pytest.raises(OutcomeNotWritten):
        attempt()
    lock.__exit__(None, None, None)
    entry = AuditEntry.objects.get()
    assert (entry.outcome, bool(entry.sent_at)) == (Outcome.PENDING, True)
    evidence.gather_with_its_token(entry)
    assert entry.outcome == Outcome.SUCCEEDED


@pytest.mark.skipif(
    settings.DATABASES["default"]["ENGINE"] != "django.db.backends.postgresql",
    reason="SQLite has its own test, with its own kind of lock",
)
def test_a_locked_table_means_no_call(attempt: Attempt, katapult: Katapult) -> None:
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with connection.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("LOCK TABLE ipadmin_auditentry IN EXCLUSIVE MODE")
            held.set()
            done.wait(10)
            cursor.execute("ROLLBACK")
        connections.close_all()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(10)
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '100ms'")
    try:
        with pytest.raises(AuditUnavailable):
            attempt()
    finally:
        done.set()
        holder.join()
        connection.close()
    assert katapult.requests == []


# Over real HTTP


@pytest.fixture
def own_token(box: Sandbox, alice: User) -> ApiToken:
    first = box.world()["organizations"][0]
    return keep_token(alice, PLANTED, Organization(first["id"], first["name"], ""))


@pytest.fixture
def confirm(box: Sandbox, own_token: ApiToken) -> Callable[[], Confirmation]:
    address = some(box, vip=False)["id"]

    def make() -> Confirmation:
        return confirmation.read(own_token, address)

    return make


def is_allocated(box: Sandbox, entry: AuditEntry) -> bool:
    world = box.world()["ip_addresses"]
    return any(each["id"] == entry.address_id and each["allocation_id"] for each in world)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (None, ("succeeded", "answer", 200)),
        ({"kind": "flat"}, ("succeeded", "answer", 200)),
        ({"kind": "rate_limit"}, ("failed", "answer", 429)),
        ({"kind": "unknown_code"}, ("unknown", "", 422)),
        ({"kind": "status", "status": 500, "acts": True}, ("succeeded", "evidence", 500)),
        ({"kind": "status", "status": 503}, ("unknown", "", 503)),
        ({"kind": "reset_after"}, ("succeeded", "evidence", None)),
        ({"kind": "reset_before"}, ("unknown", "", None)),
        ({"kind": "no_answer"}, ("succeeded", "evidence", None)),
        ({"kind": "no_answer", "acts": False}, ("unknown", "", None)),
        ({"kind": "html", "acts": True}, ("succeeded", "evidence", 502)),
        ({"kind": "html", "status": 200}, ("unknown", "", 200)),
        ({"kind": "empty"}, ("succeeded", "evidence", 200)),
        ({"kind": "truncated"}, ("succeeded", "evidence", 200)),
        ({"kind": "redirect"}, ("unknown", "", 302)),
    ],
)
def test_each_fault_of_the_sandbox_has_its_outcome(
    box: Sandbox,
    own_token: ApiToken,
    confirm: Callable[[], Confirmation],
    fault: dict[str, Any] | None,
    expected: tuple[str, str, int | None],
) -> None:
    confirmed = confirm()
    box.set_faults([{"call": "unallocate", **fault}] if fault else [])
    entry = carry_out(confirmed.change, Circumstances(own_token.owner, own_token))
    assert (entry.outcome, entry.basis, entry.http_status) == expected
    assert len(box.ledger("unallocate")) == AuditEntry.objects.count() == 1
    assert is_allocated(box, entry) is (entry.outcome != "succeeded")


def test_a_request_carried_out_late_is_found_by_readings(
    box: Sandbox, own_token: ApiToken, confirm: Callable[[], Confirmation]
) -> None:
    confirmed = confirm()
    box.set_faults(
        [{"call": "unallocate", "kind": "delay", "seconds": 0.8, "acts_at": "end", "times": 1}]
    )
    entry = carry_out(confirmed.change, Circumstances(own_token.owner, own_token))
    assert (entry.outcome, entry.is_open, is_allocated(box, entry)) == ("unknown", True, True)
    deadline = time.monotonic() + 5
    while is_allocated(box, entry) and time.monotonic() < deadline:
        time.sleep(0.05)
    evidence.gather_with_its_token(entry)
    assert [reading["found"] for reading in entry.evidence] == ["allocated", "unallocated"]
    assert (entry.outcome, entry.basis) == ("succeeded", "evidence")


def test_two_attempts_unanswered_at_once_say_that_either_may_have_done_it(
    box: Sandbox, own_token: ApiToken, confirm: Callable[[], Confirmation]
) -> None:
    confirmed = [confirm(), confirm()]
    box.set_faults([{"call": "unallocate", "kind": "no_answer", "seconds": 0.1}])

    def act(each: Confirmation) -> AuditEntry:
        try:
            return carry_out(each.change, Circumstances(own_token.owner, own_token))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        entries = list(pool.map(act, confirmed))
    if len(box.ledger("unallocate")) == 2:
        assert [entry.outcome for entry in entries] != ["succeeded", "succeeded"]
    assert sum(entry.outcome == "succeeded" for entry in entries) <= 1


def test_an_address_unallocated_after_the_confirmation_is_refused(
    box: Sandbox, own_token: ApiToken, confirm: Callable[[], Confirmation]
) -> None:
    confirmed = confirm()
    box.unallocate(confirmed.ip.id)
    entry = carry_out(confirmed.change, Circumstances(own_token.owner, own_token))
    assert (entry.outcome, entry.error_code) == ("refused", "already_unallocated")
    assert box.ledger("unallocate") == []


def test_a_released_address_is_left_alone(
    box: Sandbox, own_token: ApiToken, confirm: Callable[[], Confirmation]
) -> None:
    confirmed = confirm()
    box.release(confirmed.ip.id)
    entry = carry_out(confirmed.change, Circumstances(own_token.owner, own_token))
    assert (entry.outcome, entry.error_code) == ("refused", "ip_address_not_found")
    assert box.ledger("unallocate") == []
