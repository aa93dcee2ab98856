"""What an interrupted attempt left open is closed, by what can be known of it."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from io import StringIO
from threading import Thread
from typing import Any

import httpx
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from ipadmin.audit import entries
from ipadmin.audit.readings import ReadingResult
from ipadmin.models import ApiToken, AuditEntry, Basis, Outcome, User
from ipadmin.services.reconcile import reconcile
from tests.services.katapult import ADDRESS, IP, OTHER_VM, VM, Katapult
from tests.tampering import column, finding, unsealed

pytestmark = pytest.mark.django_db


def left_open(token: ApiToken, *, age: float, **fields: Any) -> AuditEntry:
    """A pending entry of a process that died `age` seconds ago."""
    entry = AuditEntry(
        attempt_id=uuid.uuid4(),
        created_at=timezone.now() - timedelta(seconds=age),
        user_id=token.owner_id,
        user_name="alice",
        token_id=token.pk,
        token_label=token.label,
        token_fingerprint=token.fingerprint,
        environment="sandbox",
        api_url=settings.KATAPULT_API_URL,
        address_id=IP,
        address=ADDRESS,
        allocation_id=VM,
        allocation_type="VirtualMachine",
    )
    entries.open(entry)
    AuditEntry.objects.filter(pk=entry.pk).update(**fields)
    return entry


def ago(seconds: float) -> datetime:
    return timezone.now() - timedelta(seconds=seconds)


LONG = settings.LONGEST_ATTEMPT + 1


def test_an_attempt_never_sent_is_refused_without_a_call(
    token: ApiToken, katapult: Katapult
) -> None:
    left_open(token, age=LONG)
    [closed] = reconcile()
    assert (closed.outcome, closed.error_code) == (Outcome.REFUSED, "interrupted")
    assert (closed.basis, katapult.requests) == (Basis.CHECK, [])


@pytest.mark.parametrize("sent", [True, False])
def test_an_attempt_that_may_still_run_is_left_open(
    token: ApiToken, katapult: Katapult, sent: bool
) -> None:
    entry = left_open(token, age=5, sent_at=ago(4) if sent else None)
    assert reconcile() == []
    entry.refresh_from_db()
    assert (entry.outcome, katapult.requests) == (Outcome.PENDING, [])


def test_an_attempt_sent_and_carried_out_succeeded_by_evidence(
    token: ApiToken, katapult: Katapult
) -> None:
    katapult.holder = None
    left_open(token, age=LONG, sent_at=ago(LONG))
    [closed] = reconcile()
    assert (closed.outcome, closed.basis) == (Outcome.SUCCEEDED, Basis.EVIDENCE)
    assert katapult.methods == "GET"


def test_an_attempt_not_carried_out_failed_after_two_readings(
    token: ApiToken, katapult: Katapult
) -> None:
    entry = left_open(token, age=LONG, sent_at=ago(LONG))
    assert reconcile() == []
    entry.refresh_from_db()
    assert (entry.outcome, len(entry.evidence)) == (Outcome.UNKNOWN, 1)
    entry.evidence[0]["read_at"] = ago(settings.EVIDENCE_INTERVAL + 1).isoformat()
    entry.save()
    [closed] = reconcile()
    assert (closed.outcome, closed.basis) == (Outcome.FAILED, Basis.EVIDENCE)
    assert katapult.methods == "GET GET"


def test_a_reading_that_is_not_due_is_not_taken(token: ApiToken, katapult: Katapult) -> None:
    left_open(token, age=LONG, sent_at=ago(LONG))
    reconcile()
    reconcile()
    assert katapult.methods == "GET"


def test_an_address_held_by_another_machine_stays_unknown(
    token: ApiToken, katapult: Katapult
) -> None:
    katapult.holder = OTHER_VM
    left_open(token, age=9999, sent_at=ago(9999))
    [closed] = reconcile()
    assert (closed.outcome, closed.evidence[0]["found"]) == (Outcome.UNKNOWN, ReadingResult.OTHER)


def test_an_attempt_without_its_token_says_so(token: ApiToken, katapult: Katapult) -> None:
    left_open(token, age=9999, sent_at=ago(9999))
    token.delete()
    [closed] = reconcile()
    assert closed.outcome == Outcome.UNKNOWN
    assert closed.evidence[0]["error_code"] == "token_deleted"
    assert katapult.requests == []


def test_the_token_of_a_disabled_person_is_not_used(token: ApiToken, katapult: Katapult) -> None:
    left_open(token, age=9999, sent_at=ago(9999))
    User.objects.filter(pk=token.owner_id).update(is_active=False)
    [closed] = reconcile()
    assert closed.evidence[0]["error_code"] == "owner_disabled"
    assert katapult.requests == []


def test_one_unreadable_entry_does_not_stop_the_others(token: ApiToken, katapult: Katapult) -> None:
    katapult.reads.append(httpx.ReadTimeout("timed out"))
    katapult.holder = None
    first, second = (left_open(token, age=LONG, sent_at=ago(LONG)) for _ in range(2))
    reconcile()
    first.refresh_from_db()
    assert first.is_open
    assert first.evidence[0]["error_code"] == "answer_lost"
    second.refresh_from_db()
    assert second.evidence[0]["found"] == ReadingResult.UNALLOCATED


@pytest.mark.parametrize("sent", [True, False])
def test_a_forged_entry_is_not_closed(token: ApiToken, katapult: Katapult, sent: bool) -> None:
    katapult.holder = None
    forged = {"token_id": token.pk, "address_id": IP, "address": ADDRESS, "allocation_id": VM}
    forged |= {"created_at": ago(LONG), "api_url": settings.KATAPULT_API_URL}
    entry = unsealed(**forged, sent_at=ago(LONG) if sent else None)
    left_open(token, age=LONG)
    assert [closed.error_code for closed in reconcile()] == ["interrupted"]
    entry.refresh_from_db()
    assert (entry.is_open, katapult.requests) == (True, [])
    assert finding().startswith(f"Inserted: entry {entry.pk} ")


@pytest.mark.parametrize("sent", [True, False])
def test_a_tampered_entry_is_not_closed(token: ApiToken, katapult: Katapult, sent: bool) -> None:
    katapult.holder = None
    entry = left_open(token, age=LONG, sent_at=ago(LONG) if sent else None)
    column(entry, "user_name", "mallory")
    assert (reconcile(), katapult.requests) == ([], [])
    assert "Who acted" in finding()


@pytest.mark.django_db(transaction=True)
def test_two_reconcilers_close_an_entry_once(token: ApiToken, katapult: Katapult) -> None:
    katapult.holder = None
    left_open(token, age=LONG, sent_at=ago(LONG))
    left_open(token, age=LONG)
    closed: list[AuditEntry] = []

    def run() -> None:
        closed.extend(reconcile())
        connection.close()

    threads = [Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outcomes = sorted(AuditEntry.objects.values_list("outcome", flat=True))
    assert outcomes == [Outcome.REFUSED, Outcome.SUCCEEDED]
    assert {entry.outcome for entry in closed} == {Outcome.REFUSED, Outcome.SUCCEEDED}


def test_the_reconcile_command_says_what_it_closed(token: ApiToken, katapult: Katapult) -> None:
    done = left_open(token, age=LONG)
    left_open(token, age=LONG, sent_at=ago(LONG))
    out = StringIO()
    call_command("reconcile", stdout=out)
    assert out.getvalue().splitlines() == [
        f"{done.attempt_id} {ADDRESS} refused",
        "1 finished, 1 open",
    ]
