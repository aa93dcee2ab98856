"""The verification of every night, and the acknowledgement of one that failed."""

from __future__ import annotations

from datetime import UTC, datetime, time

import pytest
import time_machine
from django.conf import LazySettings
from django.utils import timezone

from ipadmin.audit.activity import Actor
from ipadmin.audit.integrity import chain, status, verification
from ipadmin.models import AuditLink, AuditVerification, LinkKind
from ipadmin.models.audit_verification import VerificationStatus
from tests import tampering

pytestmark = pytest.mark.django_db


def run_worker(*moments: str) -> int:
    """The worker at these moments; how many verifications were requested by the end."""
    for moment in moments:
        with time_machine.travel(datetime.fromisoformat(moment).replace(tzinfo=UTC), tick=False):
            verification.request_nightly()
            verification.perform_requested()
    return AuditVerification.objects.filter(user_name=verification.NIGHTLY).count()


def failed(finding: str = "Changed: link 3") -> AuditVerification:
    return AuditVerification.objects.create(
        user_name="audrey",
        status=VerificationStatus.FINISHED,
        finished_at=timezone.now(),
        finding=finding,
    )


@pytest.mark.parametrize(
    ("moments", "count"),
    [
        (["2026-01-02T02:00"], 1),
        (["2026-01-02T02:00", "2026-01-02T02:01", "2026-01-02T23:59", "2026-01-03T01:59"], 1),
        (["2026-01-02T02:00", "2026-01-03T02:00"], 2),
        # The worker did not run at two o'clock.
        (["2026-01-02T02:00", "2026-01-03T09:30", "2026-01-03T09:31"], 2),
    ],
)
def test_each_night_is_verified_once(
    settings: LazySettings, moments: list[str], count: int
) -> None:
    settings.VERIFY_AT = time(2)
    assert run_worker(*moments) == count


def test_a_verification_on_request_does_not_replace_the_nightly_one() -> None:
    with time_machine.travel(datetime(2026, 1, 2, 3, tzinfo=UTC), tick=False):
        verification.request("audrey")
    assert run_worker("2026-01-02T03:01", "2026-01-02T03:02", "2026-01-02T03:03") == 1


def test_never(settings: LazySettings) -> None:
    settings.VERIFY_AT = None
    assert run_worker("2026-01-02T02:00") == 0


def test_without_a_failure_nothing_is_to_acknowledge() -> None:
    assert status.unacknowledged() is None
    assert run_worker("2026-01-02T02:00") == 1
    assert status.unacknowledged() is None


def test_a_failure_stays_after_a_good_verification() -> None:
    bad = failed()
    run_worker("2026-01-02T02:00")
    assert status.unacknowledged() == bad


def test_an_acknowledgement_is_sealed_and_covers_the_same_problem() -> None:
    tampering.finished()
    status.acknowledge(failed(), "A restored backup", Actor(user_name="audrey"))
    assert status.unacknowledged() is None
    failed()
    assert status.unacknowledged() is None
    other = failed("Changed: link 2")
    assert status.unacknowledged() == other
    link = AuditLink.objects.latest("sequence")
    assert link.kind == LinkKind.ACKNOWLEDGED
    assert link.details
    assert link.details["note"] == "A restored backup"
    assert verification.verify(None, lambda _done, _total: None).finding == ""


def test_an_unreadable_acknowledgement_counts_for_nothing() -> None:
    bad = failed()
    chain.add_activity(LinkKind.ACKNOWLEDGED, {"verification": "x"})
    assert status.unacknowledged() == bad
