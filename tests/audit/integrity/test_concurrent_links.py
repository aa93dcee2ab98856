"""Twenty writers at once make one chain, without a fork or a gap."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from ipadmin.audit.integrity import chain
from ipadmin.models import AuditEntry, AuditLink, LinkKind
from tests.tampering import finding, finished

pytestmark = pytest.mark.django_db(transaction=True)

WRITERS, EACH = 20, 3


def at_once(*works: Callable[[], object]) -> None:
    def alone(work: Callable[[], object]) -> None:
        try:
            work()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        list(pool.map(alone, works))


def write() -> None:
    for _ in range(EACH):
        finished()


def test_twenty_writers_make_one_chain() -> None:
    at_once(*[write] * WRITERS)
    numbers = AuditLink.objects.values_list("sequence", flat=True)
    assert list(numbers) == list(range(1, 2 * WRITERS * EACH + 1))
    assert AuditEntry.objects.filter(finished_at=None).count() == 0
    assert finding() == ""


def test_verifying_while_others_write_finds_nothing() -> None:
    found: list[str] = []

    def verify() -> None:
        found.extend(finding() for _ in range(5))

    at_once(*[write] * 6, verify, verify)
    assert found == [""] * 10
    assert AuditLink.objects.count() == 2 * 6 * EACH


def test_entries_and_activity_make_one_chain() -> None:
    def act() -> None:
        chain.add_activity(LinkKind.CHECKPOINT_CREATED, {"by": "cron"})

    at_once(*[write, act] * 5)
    assert AuditLink.objects.count() == 5 * (2 * EACH + 1)
    assert finding() == ""
