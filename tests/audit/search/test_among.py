"""Asking further of what a query gives."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.models import Count, Q
from django.test.utils import CaptureQueriesContext

from ipadmin.audit.search.among import all_with, among
from ipadmin.models import AuditEntry, Outcome
from tests.history import keep

pytestmark = pytest.mark.django_db


def test_only_those_few_are_asked() -> None:
    old, _newer, _newest = keep(user_name="bob"), keep(), keep(user_name="bob")
    newest_two = AuditEntry.objects.order_by("-id")[:2]
    assert old not in among(newest_two).filter(user_name="bob")
    assert among(newest_two).filter(user_name="bob").count() == 1


def test_whole_entries_and_sums_come_out() -> None:
    entry = keep(outcome=Outcome.FAILED, error_detail={"a": [1]}, duration_us=500_000)
    few = all_with(Q(outcome=Outcome.FAILED))
    assert few.get().error_detail == entry.error_detail == {"a": [1]}
    assert list(few.values_list("outcome").annotate(Count("id"))) == [("failed", 1)]


def test_values_are_parameters() -> None:
    keep(user_name="o'%s", reason="100 %")
    few = all_with(Q(user_name="o'%s"))
    assert few.filter(reason="100 %").exclude(reason="%s").count() == 1


def test_what_nobody_can_meet_is_not_asked() -> None:
    with CaptureQueriesContext(
        connection,
    ) as asked:
        assert list(all_with(Q(pk__in=[])).filter(user_name="alice")) == []
    assert len(asked) == 0
