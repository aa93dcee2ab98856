"""A made-up history is stored as a real one: sealed, counted and searchable."""

from __future__ import annotations

import io
from collections import Counter
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from ipadmin.audit.search import pages, people
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


def test_made_up_entries_are_for_the_sandbox_only(settings: Settings) -> None:
    settings.SANDBOX = False
    with pytest.raises(CommandError, match="for the sandbox"):
        seed("10")
    assert not AuditLink.objects.exists()


def test_made_up_entries_are_not_added_to_real_ones() -> None:
    keep()
    with pytest.raises(CommandError, match="not empty"):
        seed("10")
    assert AuditEntry.objects.count() == 1


@pytest.mark.parametrize("count", ["0", "many"])
def test_a_number_of_entries_is_required(count: str) -> None:
    with pytest.raises(CommandError):
        seed("--", count)
    assert not AuditLink.objects.exists()


def test_batches_make_one_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seed_audit, "BATCH_ENTRIES", 30)
    assert seed("100").startswith("100 entries in ")
    assert AuditEntry.objects.count() == 100
    assert AuditChain.objects.get().sequence == AuditLink.objects.count() == 200


def test_another_seed_makes_another_history() -> None:
    seed("5", "--seed", "7")
    seven = set(AuditEntry.objects.values_list("attempt_id", flat=True))
    now = timezone.now()
    assert seven == {entry.attempt_id for entry in facts(5, seed=7, now=now)}
    assert not seven & {entry.attempt_id for entry in facts(5, seed=1, now=now)}


def test_a_made_up_history_verifies() -> None:
    seed("60")
    stream = io.StringIO()
    call_command("verify_audit", stdout=stream)
    assert "60" in stream.getvalue()


def test_a_made_up_history_is_counted() -> None:
    seed("400")
    entries = list(AuditEntry.objects.all())
    now = timezone.now()
    summary = summarize(fetch_plan(Search(since=now - timedelta(days=4 * 365))), now)
    assert summary.outcomes == Counter(entry.outcome for entry in entries)
    terms = AuditValueCounter.objects.filter(field="user_id").values_list("value", "attempts")
    assert dict(terms) == Counter(str(entry.user_id) for entry in entries)


def test_made_up_entries_are_found() -> None:
    seed("400")
    for entry in AuditEntry.objects.all()[::50]:
        for typed in (entry.address, entry.address_id, entry.request_id, entry.user_name):
            search = Search(interpretation=interpret(typed, people.beginning))
            found = pages.page(fetch_plan(search))
            assert entry.pk in {each.pk for each in found.entries} or found.older_than
