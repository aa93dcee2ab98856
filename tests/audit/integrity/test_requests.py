"""Verifications that are requested on a page and performed by the worker."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DatabaseError, OperationalError
from django.utils import timezone

from ipadmin.audit.integrity import chain, verification, walk
from ipadmin.audit.integrity.chain import Link
from ipadmin.models import AuditLink, AuditVerification, LinkKind
from ipadmin.models.audit_verification import VerificationStatus
from tests.tampering import checkpoint, column, finished

pytestmark = pytest.mark.django_db


def requested(stored: str = "") -> AuditVerification:
    return verification.request("audrey", stored)[0]


def running(silent_for: timedelta) -> AuditVerification:
    """One that a worker has begun, and its last heartbeat that long ago."""
    return AuditVerification.objects.create(
        user_name="audrey",
        status=VerificationStatus.RUNNING,
        heartbeat_at=timezone.now() - silent_for,
        links_done=7,
    )


def test_without_a_request_nothing_is_verified() -> None:
    assert verification.perform_requested() is None


def test_the_worker_stores_the_result() -> None:
    finished()
    asked = requested()
    assert asked.title == "Waiting for the worker"
    verification.perform_requested()
    asked.refresh_from_db()
    assert (asked.holds, asked.links_done, asked.entries) == (True, 2, 1)
    assert asked.title == "Verified: 2 records intact"


def test_the_result_is_sealed() -> None:
    finished()
    stored = checkpoint()
    asked = requested(stored)
    verification.perform_requested()
    asked.refresh_from_db()
    link = AuditLink.objects.latest("sequence")
    assert (link.kind, link.sequence) == (LinkKind.VERIFIED, asked.result_link)
    assert link.details == {
        "by": {"user_name": "audrey"},
        "links": 2,
        "checkpoint": stored,
        "result": "holds",
    }


def test_one_runs_at_a_time() -> None:
    asked = requested()
    assert verification.request("bob") == (asked, False)


def test_the_progress_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "HEARTBEAT_SECONDS", 0)
    monkeypatch.setattr(walk, "LINKS_PER_CHUNK", 1)
    seen: list[str] = []
    compare = walk.Walk._compare

    def look(self: walk.Walk, links: list[Link]) -> None:
        seen.append(AuditVerification.objects.get().progress)
        compare(self, links)

    monkeypatch.setattr(walk.Walk, "_compare", look)
    finished()
    requested()
    verification.perform_requested()
    assert seen == ["0 of 2 records", "1 of 2 records"]


def test_one_whose_worker_was_killed_starts_again() -> None:
    finished()
    abandoned = running(verification.SILENCE * 2)
    verification.perform_requested()
    abandoned.refresh_from_db()
    assert (abandoned.holds, abandoned.links_done) == (True, 2)


def test_one_that_another_worker_performs_is_left_to_it() -> None:
    running(timedelta(seconds=1))
    assert verification.perform_requested() is None


def test_a_worker_that_was_superseded_stores_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = requested()
    verify = verification.verify

    def superseded(*args: object) -> verification.Result:
        AuditVerification.objects.update(heartbeat_at=timezone.now())
        return verify(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(verification, "verify", superseded)
    verification.perform_requested()
    asked.refresh_from_db()
    assert asked.is_running
    assert not AuditLink.objects.exists()


def test_it_is_done_again_when_the_database_did_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(*_: object) -> verification.Result:
        raise OperationalError("database is locked")

    asked = requested()
    with monkeypatch.context() as patch:
        patch.setattr(verification, "verify", locked)
        with pytest.raises(OperationalError):
            verification.perform_requested()
    verification.perform_requested()
    asked.refresh_from_db()
    assert asked.holds


def test_a_finding_is_stored_even_when_it_cannot_be_sealed(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise DatabaseError("disk full")

    column(finished(), "reason", "forged")
    asked = requested()
    monkeypatch.setattr(chain, "add_activity", full)
    verification.perform_requested()
    asked.refresh_from_db()
    assert asked.title == "Tampering detected"
    assert asked.finding.startswith("Changed")


def test_a_request_that_was_changed_ends_with_a_finding() -> None:
    asked = requested()
    AuditVerification.objects.update(checkpoint="x")
    verification.perform_requested()
    asked.refresh_from_db()
    assert asked.finding == "The verification failed: ValueError. The log of the worker says more."
