"""Reading the address of an unanswered attempt, and which other attempts compete with it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from django.conf import settings
from structlog.testing import capture_logs

from ipadmin.audit import entries
from ipadmin.audit.readings import ReadingResult
from ipadmin.katapult.types import IPAddress, Reply, Secret
from ipadmin.models import ApiToken, AuditEntry, Basis, Outcome
from ipadmin.services import api, evidence
from ipadmin.services.evidence import (
    competing_attempts_of,
)
from tests.history import keep
from tests.services.attempts import SENT
from tests.services.attempts import unanswered_entry as entry
from tests.services.katapult import ADDRESS, IP, OTHER_VM, Katapult, html

DEADLINE = settings.EVIDENCE_DEADLINE
A, U, X = ReadingResult.ALLOCATED, ReadingResult.UNALLOCATED, ReadingResult.UNREADABLE


def after(seconds: float) -> datetime:
    return SENT + timedelta(seconds=seconds)


def closed_after(seconds: float) -> dict[str, Any]:
    """Sent so long before our address was read, and closed before that."""
    return {"sent_at": after(-seconds), "finished_at": after(-5)}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("other", "is_rival"),
    [
        ({}, True),
        ({"outcome": Outcome.PENDING}, True),
        ({"sent_at": None}, False),
        ({"sent_at": after(11)}, False),
        ({"address_id": "ip_other"}, False),
        ({"api_url": "https://elsewhere.test"}, False),
        ({"outcome": Outcome.SUCCEEDED, "finished_at": after(5)}, True),
        ({"outcome": Outcome.UNKNOWN, "finished_at": after(5)}, True),
        ({"outcome": Outcome.FAILED, "finished_at": after(5)}, False),
        ({"outcome": Outcome.REFUSED, "finished_at": after(5)}, False),
        ({"outcome": Outcome.SUCCEEDED, "sent_at": after(-9), "finished_at": after(-5)}, False),
        # Closed before ours began, and its request can still arrive.
        ({"outcome": Outcome.UNKNOWN, **closed_after(95)}, True),
        ({"outcome": Outcome.UNKNOWN, **closed_after(DEADLINE - 2)}, True),
        ({"outcome": Outcome.UNKNOWN, **closed_after(DEADLINE + 2)}, False),
        ({"outcome": Outcome.FAILED, "basis": Basis.EVIDENCE, **closed_after(95)}, True),
        ({"outcome": Outcome.FAILED, "basis": Basis.EVIDENCE, **closed_after(DEADLINE + 2)}, False),
        ({"outcome": Outcome.FAILED, "basis": Basis.ANSWER, **closed_after(95)}, False),
    ],
)
def test_which_attempts_compete(other: dict[str, Any], is_rival: bool) -> None:
    ours, theirs = entry((X, 5), (U, 10)), entry(**other)
    ours.save()
    theirs.save()
    assert competing_attempts_of(ours) == ([theirs] if is_rival else [])


@pytest.mark.django_db
def test_without_an_unallocated_reading_no_attempt_competes() -> None:
    ours = entry((A, 0))
    ours.save()
    entry().save()
    assert competing_attempts_of(ours) == []


@pytest.fixture
def unanswered(token: ApiToken) -> AuditEntry:
    made = entry(token_id=token.id)
    made.sent_at = made.created_at
    entries.open(made)
    return made


def gather(unanswered: AuditEntry) -> AuditEntry:
    evidence.gather_with_its_token(unanswered)
    return unanswered


def test_a_reading_is_kept_whole(unanswered: AuditEntry, katapult: Katapult) -> None:
    katapult.holder = OTHER_VM
    (reading,) = gather(unanswered).evidence
    moment = datetime.fromisoformat(reading.pop("read_at"))
    assert moment.utcoffset() == timedelta(0)
    assert reading == {
        "found": "other",
        "status": 200,
        "request_id": "11111111-2222-3333-4444-555555555555",
        "error_code": "",
        "allocation_id": OTHER_VM,
        "allocation_type": "VirtualMachine",
        "allocation_name": "web-01",
        "reverse_dns": "web-01.example.net",
    }


@pytest.mark.parametrize("more", [{"id": "ip_other"}, {"address": "192.0.2.8"}])
def test_an_answer_about_another_address_proves_nothing(
    unanswered: AuditEntry, katapult: Katapult, more: dict[str, str]
) -> None:
    AuditEntry.objects.update(sent_at=datetime.now(UTC))
    katapult.holder, katapult.more = None, more
    entry = gather(unanswered)
    assert (entry.is_open, entry.evidence[0]["found"]) == (True, "unreadable")


def test_a_request_carried_out_after_its_entry_was_closed_is_no_success_of_another(
    unanswered: AuditEntry, katapult: Katapult
) -> None:
    moment = unanswered.created_at
    made = {"sent_at": moment - timedelta(seconds=95), "finished_at": moment}
    late = keep(outcome=Outcome.FAILED, basis=Basis.EVIDENCE, address_id=IP, **made)
    katapult.holder = None
    closed = gather(unanswered)
    assert (closed.outcome, closed.competing_attempts) == (Outcome.UNKNOWN, [str(late.attempt_id)])


def test_a_reading_has_a_connection_of_its_own(
    unanswered: AuditEntry, katapult: Katapult, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}
    read = api.client().ip_address

    def noted(secret: Secret, **how: Any) -> Reply[IPAddress]:
        asked.update(how)
        return read(secret, **how)

    monkeypatch.setattr(api.client(), "ip_address", noted)
    gather(unanswered)
    assert asked == {"id": IP, "known_address": ADDRESS, "fresh": True}


def test_an_unallocated_address_closes_the_entry(
    unanswered: AuditEntry, katapult: Katapult
) -> None:
    katapult.holder = None
    closed = gather(unanswered)
    assert (closed.outcome, closed.basis, closed.is_open) == (
        Outcome.SUCCEEDED,
        Basis.EVIDENCE,
        False,
    )


def test_a_finished_entry_takes_no_reading(unanswered: AuditEntry, katapult: Katapult) -> None:
    katapult.holder = None
    gather(unanswered)
    stale = AuditEntry.objects.get()
    stale.finished_at = None
    gather(stale)
    assert len(AuditEntry.objects.get().evidence) == 1


def test_a_reading_with_a_deleted_token_says_so(unanswered: AuditEntry, token: ApiToken) -> None:
    token.delete()
    found = gather(unanswered).evidence[0]
    assert (found["found"], found["error_code"]) == ("unreadable", "token_deleted")


def test_a_reading_with_a_token_that_cannot_be_decrypted_says_so(
    unanswered: AuditEntry, token: ApiToken
) -> None:
    ApiToken.objects.update(encrypted_secret=b"moved")
    found = gather(unanswered).evidence[0]
    assert (found["found"], found["error_code"]) == ("unreadable", "token_unreadable")


def test_a_reading_never_asks_another_api(
    unanswered: AuditEntry, katapult: Katapult, settings: Any
) -> None:
    """The same id may be another address there: in a fresh sandbox, say."""
    settings.KATAPULT_API_URL = "https://api.katapult.io"
    found = gather(unanswered).evidence[0]
    assert (found["found"], found["error_code"]) == ("unreadable", "another_api")
    assert katapult.requests == []


@pytest.mark.parametrize("answer", [httpx.ReadTimeout("x"), html(), httpx.ConnectError("x")])
def test_an_unreadable_reading_leaves_the_entry_open(
    unanswered: AuditEntry, katapult: Katapult, answer: Any
) -> None:
    # Sent long ago, the deadline would close it.
    AuditEntry.objects.update(sent_at=datetime.now(UTC))
    katapult.reads.append(answer)
    with capture_logs():
        assert gather(unanswered).is_open
