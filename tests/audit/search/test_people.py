"""The history shows and finds people by their accounts, not by the names in entries."""

from __future__ import annotations

import pytest
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext

from ipadmin.audit.search import choices, pages, people
from ipadmin.audit.search.plan import fetch_plan
from ipadmin.audit.search.summary import summarize
from ipadmin.models import AuditEntry, User
from ipadmin.ui.history_form import HistoryFilters
from tests.conftest import ClientOf
from tests.history import keep
from tests.page import Page

pytestmark = pytest.mark.django_db


def found(query: str) -> list[AuditEntry]:
    """By the page, by the whole condition of an export, and by the counters."""
    filters = HistoryFilters(QueryDict(f"when=all&{query}"))
    plan = fetch_plan(filters.search)
    entries = list(filters.apply(AuditEntry.objects.all()))
    assert [each.pk for each in pages.page(plan).entries] == [each.pk for each in entries]
    assert summarize(plan, filters.now).attempts == len(entries)
    return entries


@pytest.fixture
def forged(adam: User, alice: User) -> AuditEntry:
    """Recorded while adam had renamed alice, and had her name."""
    keep(user_name="alice")
    return keep(user_name="alice", user_id=adam.pk)


def test_an_entry_under_another_name_is_found_by_its_account(forged: AuditEntry) -> None:
    assert found("person=adam") == [forged]
    assert found("q=adam") == [forged]
    for query in ("person=alice", "person=ALICE", "q=alice", "q=ali"):
        assert forged not in found(query)
        assert len(found(query)) == 1
    assert len(found("person=adam&person=alice")) == 2


def test_the_list_shows_account_and_recorded_name(
    forged: AuditEntry, audrey: User, client_of: ClientOf
) -> None:
    rows = Page(client_of(audrey).get("/audit/")).texts(".entries tbody tr")
    assert "adam recorded as alice" in rows[0].replace("adamrec", "adam rec")
    assert "recorded as" not in rows[1]
    text = Page(client_of(audrey).get(forged.get_absolute_url())).text
    assert "adam recorded as alice" in text


@pytest.mark.parametrize("tab", ["timeline", "attempts"])
def test_the_pages_of_an_address_show_the_account(
    forged: AuditEntry, audrey: User, client_of: ClientOf, tab: str
) -> None:
    assert "adam" in Page(client_of(audrey).get(f"/addresses/192.0.2.7/{tab}/")).one("main").text()


def test_the_search_from_anywhere_finds_accounts(
    forged: AuditEntry, audrey: User, client_of: ClientOf
) -> None:
    page = Page(client_of(audrey).get("/search/?q=ada"))
    assert "/audit/?person=adam&when=all" in page.values("href")


def test_deleted_accounts_are_found_by_their_recorded_name(alice: User) -> None:
    gone = keep(user_name="Olga", user_id=77)
    keep()
    assert found("person=olga") == found("q=olg") == found("q=OLGA") == [gone]
    assert gone.person == "Olga"
    assert gone.recorded_as == ""


def test_a_deleted_account_does_not_mix_with_a_present_one(alice: User) -> None:
    mine = keep(user_name="alice")
    gone = keep(user_name="alice", user_id=77)
    assert found("person=alice") == [mine]
    # A text is looked for in both.
    assert found("q=alice") == [gone, mine]


def test_an_unknown_name_finds_nothing(alice: User) -> None:
    keep()
    assert found("person=nobody") == []
    assert found("person=nobody&outcome=succeeded") == []


def test_names_to_choose_from_are_those_of_accounts(forged: AuditEntry, alice: User) -> None:
    names = {each.title for each in choices.vocabulary(None)["person"]}
    assert names == {"adam", "alice"}


@pytest.mark.parametrize("count", [3, 30])
def test_many_people_with_the_same_beginning(count: int) -> None:
    names = [f"person-{number}" for number in range(count)]
    User.objects.bulk_create(User(username=name) for name in names)
    kept = [keep(user_name=name) for name in names]
    assert found("q=person-") == kept[::-1]


def test_the_number_of_queries_does_not_depend_on_people(audrey: User, client_of: ClientOf) -> None:
    def queries(client: Client) -> int:
        with CaptureQueriesContext(connection) as made:
            assert client.get("/audit/?person=person-0&when=all").status_code == 200
        return len(made)

    client, counts = client_of(audrey), []
    for number in range(12):
        User.objects.create(username=f"person-{number}")
        keep(user_name=f"person-{number}")
        if number in {0, 11}:
            client.get("/audit/")
            counts.append(queries(client))
    assert counts[0] == counts[1]


def test_a_value_counter_that_was_changed_does_no_harm(alice: User) -> None:
    entry = keep(user_name="Olga", user_id=77)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE ipadmin_auditvaluecounter SET value = 'x' WHERE field = 'user_id'")
    assert people.named("olga") == []
    assert people.beginning("ol") == []
    assert entry.person == "Olga"
