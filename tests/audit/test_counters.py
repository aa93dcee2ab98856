"""The counters kept with the entries agree with them."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from itertools import chain
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings

from ipadmin.audit import counters, document, entries
from ipadmin.models import AuditCounter, AuditEntry, AuditValueCounter, Facet, Outcome, Span
from tests.audit.search.made_up import histories, kept
from tests.history import attempt, id_of, keep

pytestmark = pytest.mark.django_db
AT = datetime(2026, 11, 30, 23, 59, 59, 999_999, tzinfo=UTC)


def values(field: str) -> dict[str, int]:
    return dict(AuditValueCounter.objects.filter(field=field).values_list("value", "attempts"))


def counted(**of: Any) -> Counter[tuple[date, str, str]]:
    rows = AuditCounter.objects.filter(**of).values_list(
        "since", "outcome", "error_code", "attempts"
    )
    return Counter({(day, outcome, code): attempts for day, outcome, code, attempts in rows})


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(many=histories)
def test_counters_equal_the_finished_entries(many: list[dict[str, Any]]) -> None:
    with kept(many) as everything:
        finished = [e for e in everything if not e.is_open]
        rows = [(e.created_at.date(), e.outcome, e.error_code) for e in finished]
        assert counted(facet=Facet.ALL, span=Span.DAY) == Counter(rows)
        months = [(day.replace(day=1), *rest) for day, *rest in rows]
        assert counted(facet=Facet.ALL, span=Span.MONTH) == Counter(months)
        bobs = [row for row, e in zip(rows, finished, strict=True) if e.user_name == "Bob"]
        assert counted(facet=Facet.PERSON, value=str(id_of("bob")), span=Span.DAY) == Counter(bobs)
        assert values("user_id") == Counter(str(e.user_id) for e in finished)
        assert values("address_key") == Counter(e.address_key for e in finished if e.address_key)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(many=histories)
def test_counters_are_zero_after_every_entry_is_subtracted(many: list[dict[str, Any]]) -> None:
    with kept(many):
        counts = counters.Counters()
        finished = AuditEntry.objects.exclude(finished_at=None).order_by()
        for entry in chain.from_iterable(document.batches(finished)):
            counts.add(entry, sign=-1)
        counts.write()
        assert not AuditValueCounter.objects.exclude(attempts=0)
        left = AuditCounter.objects.values_list("attempts", "timed", "log_seconds")
        assert all(abs(number) < 1e-9 for row in left for number in row)


def test_days_are_counted_in_utc() -> None:
    keep(created_at=AT)
    assert counted(facet=Facet.ALL, span=Span.DAY) == {(AT.date(), "succeeded", ""): 1}


def test_an_entry_is_counted_once_it_is_finished() -> None:
    entry = keep(outcome=Outcome.PENDING)
    assert not AuditCounter.objects.exists()
    finish = {"outcome": Outcome.SUCCEEDED, "finished_at": timezone.now()}
    assert entries.update(entry, finish)
    assert not entries.update(entry, finish)
    assert values("outcome") == {"succeeded": 1}


def test_a_counter_has_the_latest_label() -> None:
    for name in ("Acme", "Acme Ltd", ""):
        keep(organization_name=name)
    assert AuditValueCounter.objects.get(field="organization_key").label == "Acme Ltd"


def test_subtracting_an_old_entry_keeps_the_latest_label() -> None:
    keep(organization_name="Acme", created_at=AT)
    keep(organization_name="Acme Ltd")
    old = AuditEntry.objects.filter(created_at=AT)
    counts = counters.Counters()
    counts.add(document.values_of(old.get()), sign=-1)
    counts.write()
    value = AuditValueCounter.objects.get(field="organization_key")
    assert (value.label, value.attempts) == ("Acme Ltd", 1)


def test_more_counters_than_one_statement_can_write() -> None:
    count = counters.ROWS_PER_STATEMENT + 1
    made = [attempt(address=f"10.0.{n // 250}.{n % 250}") for n in range(count)]
    entries.add_finished(made)
    assert len(values("address_key")) == count
    assert counted(facet=Facet.ALL, span=Span.MONTH).total() == count


def test_a_call_that_took_no_time_is_counted() -> None:
    keep(duration_us=0)
    assert set(AuditCounter.objects.values_list("timed", flat=True)) == {1}
