"""A made-up history is kept as a real one is: sealed, counted, and only where it belongs."""

from __future__ import annotations

import io
from collections import Counter
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from ipadmin.audit.search import pages
from ipadmin.audit.search.plan import fetch_plan
from ipadmin.audit.search.query import Search, interpret
from ipadmin.audit.search.summary import summarize
from ipadmin.demo.history import facts
from ipadmin.management.commands import seed_audit
from ipadmin.models import AuditChain, AuditEntry, AuditLink, AuditValueCounter
from tests.history import keep

pytestmark = pytest.mark.django_db


def seed(*command: str) -> str:
    stream = io.StringIO()
    call_command("seed_audit", *command, stdout=stream)
    return stream.getvalue()


def test_only_in_the_sandbox(settings: Settings) -> None:
    settings.SANDBOX = False
    with pytest.raises(CommandError, match="not the sandbox"):
        seed("10")
    assert not AuditLink.objects.exists()


def test_not_beside_a_history() -> None:
    keep()
    with pytest.raises(CommandError, match="a history already"):
        seed("10")
    assert AuditEntry.objects.count() == 1


@pytest.mark.parametrize("count", ["0", "-1", "many"])
def test_a_number_of_entries(count: str) -> None:
    with pytest.raises(CommandError):
        seed("--", count)
    assert not AuditLink.objects.exists()


def test_in_batches_that_make_one_history(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seed_audit, "BATCH", 30)
    assert seed("100").startswith("100 entries in ")
    assert AuditEntry.objects.count() == 100
    assert AuditChain.objects.get().sequence == AuditLink.objects.count() == 200


def test_another_number_makes_another() -> None:
    seed("5", "--seed", "7")
    seven = set(AuditEntry.objects.values_list("attempt_id", flat=True))
    now = timezone.now()
    assert seven == {entry.attempt_id for entry in facts(5, seed=7, now=now)}
    assert not seven & {entry.attempt_id for entry in facts(5, seed=1, now=now)}


def test_it_holds() -> None:
    seed("60")
    stream = io.StringIO()
    call_command("verify_audit", stdout=stream)
    assert "60" in stream.getvalue()


def test_it_is_counted_right() -> None:
    seed("400")
    entries = list(AuditEntry.objects.all())
    now = timezone.now()
    summary = summarize(fetch_plan(Search(since=now - timedelta(days=4 * 365))), now)
    assert summary.outcomes == Counter(entry.outcome for entry in entries)
    terms = AuditValueCounter.objects.filter(field="user_name_key").values_list("value", "attempts")
    assert dict(terms) == Counter(entry.user_name_key for entry in entries)


def test_it_can_be_asked() -> None:
    seed("400")
    for entry in AuditEntry.objects.all()[::50]:
        for typed in (entry.address, entry.address_id, entry.request_id, entry.user_name):
            found = pages.page(fetch_plan(Search(interpretation=interpret(typed))))
            assert entry in found.entries or found.older_than
