"""The counts kept with the entries are those of the entries."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings

from ipadmin.audit import counters, entries
from ipadmin.audit import rows as raw_rows
from ipadmin.models import AuditCounter, AuditEntry, AuditValueCounter, Facet, Outcome, Span
from tests.audit.search.made_up import histories, kept
from tests.history import attempt, keep

pytestmark = pytest.mark.django_db
AT = datetime(2026, 11, 30, 23, 59, 59, 999_999, tzinfo=UTC)


def terms(field: str) -> dict[str, int]:
    return dict(AuditValueCounter.objects.filter(field=field).values_list("value", "attempts"))


def tallied(**of: Any) -> Counter[tuple[date, str, str]]:
    rows = AuditCounter.objects.filter(**of).values_list(
        "since", "outcome", "error_code", "attempts"
    )
    return Counter({(day, outcome, code): attempts for day, outcome, code, attempts in rows})


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(many=histories)
def test_they_are_those_of_the_finished_entries(many: list[dict[str, Any]]) -> None:
    with kept(many) as everything:
        finished = [e for e in everything if not e.is_open]
        rows = [(e.created_at.date(), e.outcome, e.error_code) for e in finished]
        assert tallied(facet=Facet.ALL, span=Span.DAY) == Counter(rows)
        months = [(day.replace(day=1), *rest) for day, *rest in rows]
        assert tallied(facet=Facet.ALL, span=Span.MONTH) == Counter(months)
        bobs = [row for row, e in zip(rows, finished, strict=True) if e.user_name == "Bob"]
        assert tallied(facet=Facet.PERSON, value="bob", span=Span.DAY) == Counter(bobs)
        assert terms("user_name_key") == Counter(e.user_name_key for e in finished)
        assert terms("address_key") == Counter(e.address_key for e in finished if e.address_key)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(many=histories)
def test_counted_off_again_nothing_is_left(many: list[dict[str, Any]]) -> None:
    with kept(many):
        counts = counters.Counters()
        finished = AuditEntry.objects.exclude(finished_at=None).order_by()
        for row in raw_rows.rows(finished, counters.FIELDS):
            counts.add(dict(zip(counters.FIELDS, row, strict=True)), sign=-1)
        counts.write()
        assert not AuditValueCounter.objects.exclude(attempts=0)
        left = AuditCounter.objects.values_list("attempts", "timed", "log_seconds")
        assert all(abs(number) < 1e-9 for row in left for number in row)


def test_a_day_is_one_in_utc() -> None:
    keep(created_at=AT)
    assert tallied(facet=Facet.ALL, span=Span.DAY) == {(AT.date(), "succeeded", ""): 1}


def test_an_entry_is_counted_once_it_is_finished() -> None:
    entry = keep(outcome=Outcome.PENDING)
    assert not AuditCounter.objects.exists()
    finish = {"outcome": Outcome.SUCCEEDED, "finished_at": timezone.now()}
    assert entries.update(entry, finish)
    assert not entries.update(entry, finish)
    assert terms("outcome") == {"succeeded": 1}


def test_a_label_is_the_latest() -> None:
    for name in ("Acme", "Acme Ltd", ""):
        keep(organization_name=name)
    assert AuditValueCounter.objects.get(field="organization_key").label == "Acme Ltd"


def test_counting_off_an_old_entry_keeps_the_latest_label() -> None:
    keep(organization_name="Acme", created_at=AT)
    keep(organization_name="Acme Ltd")
    old = raw_rows.rows(AuditEntry.objects.filter(created_at=AT).order_by(), counters.FIELDS)
    counts = counters.Counters()
    counts.add(dict(zip(counters.FIELDS, next(old), strict=True)), sign=-1)
    counts.write()
    term = AuditValueCounter.objects.get(field="organization_key")
    assert (term.label, term.attempts) == ("Acme Ltd", 1)


def test_more_rows_than_one_statement_takes() -> None:
    count = counters.ROWS + 1
    made = [attempt(address=f"10.0.{n // 250}.{n % 250}") for n in range(count)]
    entries.add_finished(made)
    assert len(terms("address_key")) == count
    assert tallied(facet=Facet.ALL, span=Span.MONTH).total() == count


def test_a_call_that_took_no_time_is_counted() -> None:
    keep(duration=0.0)
    assert set(AuditCounter.objects.values_list("timed", flat=True)) == {1}
