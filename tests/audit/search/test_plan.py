"""Index scans that are chosen by counters, and queries of the rows of a limited query."""

from __future__ import annotations

from uuid import UUID

import pytest
from django.db import connection
from django.db.models import Count, Q
from django.test.utils import CaptureQueriesContext

from ipadmin.audit.search import pages, people, plan
from ipadmin.audit.search.plan import fetch_plan, select_few, select_from
from ipadmin.audit.search.query import Search, interpret
from ipadmin.models import AuditEntry, Outcome
from tests.history import id_of, keep

pytestmark = pytest.mark.django_db

TOKEN = UUID("7d1f5a3e-2b4c-4d6e-9f80-a1b2c3d4e5f6")


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "MAX_SORTED_ENTRIES", 3)
    monkeypatch.setattr(plan, "MAX_SEPARATE_VALUES", 2)


def scans(text: str) -> list[tuple[int, bool]]:
    """The number of entries of each index scan, and whether it is read as a whole."""
    found = fetch_plan(Search(interpretation=interpret(text, people.beginning))).scans
    return [(each.entries, each.few is not None) for each in found]


def test_one_frequent_value_is_read_in_order_of_time(tiny: None) -> None:
    for _ in range(4):
        keep()
    assert scans("192.0.2.7") == [(4, False)]


def test_few_entries_of_many_values_are_read_as_a_whole(tiny: None) -> None:
    for number in range(3):
        keep(address=f"192.0.2.{number}")
    assert scans("192.0.2.") == [(3, True)]


def test_many_entries_of_many_values_are_read_in_order_of_time(tiny: None) -> None:
    for number in range(4):
        keep(address=f"192.0.2.{number}")
    assert scans("192.0.2.") == [(4, False)]


def test_a_frequent_token_is_read_in_order_of_time(tiny: None) -> None:
    for _ in range(4):
        keep(token_id=TOKEN)
    assert (4, False) in scans(str(TOKEN))


def test_the_filter_with_the_fewest_entries_is_read_by_index() -> None:
    for _ in range(3):
        keep()
    keep(user_name="bob")
    keep(user_name="carol", environment="live")
    found = fetch_plan(
        Search(people=[id_of("alice"), id_of("bob")], environment="live", outcomes=["failed"]),
    )
    assert [each.q for each in found.scans] == [Q(outcome="failed")]
    assert found.filters == [
        Q(environment="live"),
        Q(user_id=id_of("alice")) | Q(user_id=id_of("bob")),
    ]


def test_an_empty_list_of_organizations_matches_no_entry() -> None:
    keep()
    search = Search(organizations=[])
    assert pages.page(fetch_plan(search)).entries == []
    assert not AuditEntry.objects.filter(search.q)


# Queries of the rows of another query


def test_conditions_apply_after_the_limit() -> None:
    old, _newer, _newest = keep(user_name="bob"), keep(), keep(user_name="bob")
    newest_two = AuditEntry.objects.order_by("-id")[:2]
    assert old not in select_from(newest_two).filter(user_name="bob")
    assert select_from(newest_two).filter(user_name="bob").count() == 1


def test_the_database_reads_no_more_rows_than_the_limit() -> None:
    """The limited query stays a query of its own, which the conditions do not enter."""
    newest = AuditEntry.objects.filter(outcome="failed").order_by("-created_at", "-id")[:300]
    steps = select_from(newest).filter(user_id=id_of("bob")).explain()
    assert "audit_by_user" not in steps
    # PostgreSQL reads a table that is nearly empty by any index.
    expected = {"sqlite": ["audit_by_outcome", "CO-ROUTINE entries"], "postgresql": ["Limit"]}
    assert all(each in steps for each in expected[connection.vendor])


def test_whole_entries_and_sums_can_be_selected() -> None:
    entry = keep(outcome=Outcome.FAILED, error_detail={"a": [1]})
    few = select_few(Q(outcome=Outcome.FAILED))
    assert few.get().error_detail == entry.error_detail == {"a": [1]}
    assert list(few.values_list("outcome").annotate(Count("id"))) == [("failed", 1)]


def test_values_are_passed_as_parameters() -> None:
    keep(user_name="o'%s", reason="100 %")
    few = select_few(Q(user_name="o'%s"))
    assert few.filter(reason="100 %").exclude(reason="%s").count() == 1


def test_a_condition_that_nothing_can_meet_is_not_queried() -> None:
    with CaptureQueriesContext(connection) as queries:
        assert list(select_few(Q(pk__in=[])).filter(user_name="alice")) == []
    assert len(queries) == 0
