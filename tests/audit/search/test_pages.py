"""Pages of the history, compared with what a look at every entry finds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ipadmin.audit.integrity import chain, status
from ipadmin.audit.search import choices, plan
from ipadmin.audit.search import pages as history_pages
from ipadmin.audit.search.pages import PER_PAGE, Cursor, Page, cursor_of
from ipadmin.audit.search.plan import MAX_SEPARATE_VALUES, fetch_plan
from ipadmin.audit.search.query import Search
from ipadmin.models import AuditEntry, LinkKind, Outcome, User
from tests.audit.search.made_up import Question, bounds, histories, kept, questions
from tests.examples import share_of
from tests.history import id_of, keep

pytestmark = pytest.mark.django_db
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
at_random = settings(max_examples=share_of(120), deadline=None, suppress_health_check=SLOW)
STEPS = 200


def page(search: Search, **where: Cursor | None) -> Page:
    return history_pages.page(fetch_plan(search), **where)


def pages(search: Search, shown: Page, towards: str) -> list[Page]:
    """The page, and all that its links lead to on one side."""
    found = [shown]
    for _ in range(STEPS):
        if towards == "older" and found[-1].older_than:
            found.append(page(search, before=found[-1].older_than))
        elif towards == "newer" and found[-1].newer_than:
            found.append(page(search, after=found[-1].newer_than))
        else:
            return found
    raise AssertionError("There is no end to it.")


def ids(*shown: Page) -> list[int]:
    return [entry.pk for each in shown for entry in each.entries]


def there_and_back(search: Search, matches: list[int]) -> None:
    """Every match is on one page, in its place, on the way to the oldest and on the way back."""
    there = pages(search, page(search), "older")
    assert ids(*there) == matches
    back = pages(search, there[-1], "newer")
    if len(back) > 1 and ids(back[-1]) == ids(there[0]) != []:
        # It ends on the newest page, which may show some of the page before again.
        seen = ids(*back[-2::-1])
        assert [*(pk for pk in ids(back[-1]) if pk not in seen), *seen] == matches
    else:
        assert ids(*back[::-1]) == matches


@at_random
@given(many=histories, question=questions, seed=st.integers(0, 10**6))
def test_pages_have_every_match_once_in_both_directions(
    many: list[dict[str, Any]], question: Question, seed: int
) -> None:
    with kept(many) as entries, bounds(seed):
        matches = [entry.pk for entry in entries if question.matches(entry)]
        search = question.search()
        assert list(AuditEntry.objects.filter(search.q).values_list("pk", flat=True)) == matches
        there_and_back(search, matches)


of_three = st.tuples(st.sampled_from(["alice", "Bob", "carol", "carol"]), st.booleans())


@at_random
@given(st.lists(of_three, min_size=8, max_size=40), st.integers(1, 3), st.integers(1, 3))
def test_pages_of_several_index_scans_that_are_searched_in_parts(
    made: list[tuple[str, bool]], look: int, per_page: int
) -> None:
    outcomes = {True: "succeeded", False: "failed"}
    many = [{"user_name": name, "outcome": outcomes[is_well]} for name, is_well in made]
    tiny: dict[str, Any] = {
        "MAX_SORTED_ENTRIES": 0,
        "SEARCHED_ENTRIES": (look,),
        "PER_PAGE": per_page,
    }
    asked = Search(people=[id_of("alice"), id_of("bob")], outcomes=["failed", "pending"])
    with kept(many) as entries, mock.patch.multiple(history_pages, **tiny):
        failed = [e for e in entries if e.outcome == "failed" and e.user_name != "carol"]
        with mock.patch("ipadmin.audit.search.plan.MAX_SORTED_ENTRIES", 0):
            there_and_back(asked, [entry.pk for entry in failed])


@at_random
@given(many=histories, question=questions, seed=st.integers(0, 10**6), rows=st.integers(1, 30))
def test_the_nearest_matches_are_found_or_the_end_of_the_search_is_given(
    many: list[dict[str, Any]], question: Question, seed: int, rows: int
) -> None:
    with kept(many) as entries, bounds(seed):
        matches = [cursor_of(entry) for entry in entries if question.matches(entry)]
        found = history_pages.find(fetch_plan(question.search()), limit=rows)
        assert found.cursors == matches[: len(found.cursors)]
        if found.searched_to is None:
            assert len(found.cursors) == min(rows, len(matches))
        else:
            assert not [each for each in matches[len(found.cursors) :] if each >= found.searched_to]
            assert cursor_of(entries[-1]) < found.searched_to


# Pages of the size they have


def fill(count: int) -> list[int]:
    """So many entries; their ids, newest first."""
    return [keep().pk for _ in range(count)][::-1]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_one_page_of_entries_has_no_links_to_others(
    monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(history_pages, "PER_PAGE", 3)
    everything = fill(count)
    shown = page(Search())
    assert ids(shown) == everything
    assert (shown.older_than, shown.newer_than, shown.searched_to) == (None, None, None)


def test_one_entry_more_than_a_page_is_on_the_next() -> None:
    everything = fill(PER_PAGE + 1)
    first = page(Search())
    assert ids(first) == everything[:PER_PAGE]
    assert ids(page(Search(), before=first.older_than)) == everything[PER_PAGE:]


FAR = [
    Cursor(datetime(1971, 1, 1, tzinfo=UTC), 1),
    Cursor(datetime(2900, 1, 1, tzinfo=UTC), 10**17),
]


@pytest.mark.parametrize("place", FAR)
@pytest.mark.parametrize("side", ["before", "after"])
def test_every_page_leads_to_all_entries(side: str, place: Cursor) -> None:
    """Wherever a link leads, there are entries, or a link to where they are."""
    everything = fill(3)
    shown = page(Search(), **{side: place})
    around = pages(Search(), shown, "newer") + pages(Search(), shown, "older")
    assert {pk for each in around for pk in ids(each)} == {*everything}


def test_an_empty_older_page_links_to_the_oldest_entries() -> None:
    (only,) = fill(1)
    entry = AuditEntry.objects.get()
    shown = page(Search(), before=cursor_of(entry))
    assert ids(shown) == []
    assert shown.newer_than
    assert ids(page(Search(), after=shown.newer_than)) == [only]


def test_filters_with_few_common_matches_are_searched_in_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(history_pages, "SEARCHED_ENTRIES", (2, 4))
    monkeypatch.setattr(plan, "MAX_SORTED_ENTRIES", 2)
    matches = []
    for _ in range(3):
        matches.append(keep(outcome=Outcome.FAILED, user_name="bob").pk)
        for _ in range(5):
            keep(user_name="bob")
            keep(outcome=Outcome.FAILED)
    search = Search(people=[id_of("bob")], outcomes=[Outcome.FAILED])
    first, *others = pages(search, page(search), "older")
    assert first.entries == []
    assert first.searched_to == first.older_than
    assert ids(*others) == matches[::-1]
    back = pages(search, others[-1], "newer")
    assert [pk for each in back for pk in ids(each)] == matches


@pytest.mark.parametrize("asked", [{"people": ["bob"]}, {"outcomes": ["failed"]}])
@pytest.mark.parametrize("count", [1, 2 * MAX_SEPARATE_VALUES + 1])
def test_the_end_of_a_search_reveals_nothing_of_other_organizations(
    monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any], count: int
) -> None:
    for module in (history_pages, plan):
        monkeypatch.setattr(module, "MAX_SORTED_ENTRIES", 2)
    monkeypatch.setattr(history_pages, "SEARCHED_ENTRIES", (2,))
    keys = [f"org_{number}" for number in range(count)]
    for key in keys * 5:
        keep(organization_id=key)
        keep(organization_id="others", user_name="bob", outcome=Outcome.FAILED)
    if "people" in asked:
        asked = {"people": [id_of(name) for name in asked["people"]]}
    narrowed = Search(**asked, organizations=keys, is_narrowed=True)
    own = AuditEntry.objects.filter(organization_key__in=keys)
    assert page(narrowed).searched_to in {cursor_of(entry) for entry in own}


def test_nothing_newer_is_the_newest_page() -> None:
    everything = fill(2)
    newest = page(Search(), after=cursor_of(AuditEntry.objects.first() or keep()))
    assert ids(newest) == everything
    assert newest.newer_than is None


# Places


def test_a_cursor_survives_the_url() -> None:
    cursor = Cursor(datetime(2026, 11, 23, 14, 5, 9, 123456, tzinfo=UTC), 42)
    assert history_pages.parse_cursor(history_pages.cursor_text(cursor)) == cursor


@pytest.mark.parametrize(
    "text", ["", "x", "1", "1-", "-1-1", "1-1-1", "1.5-2", "9" * 18 + "-1", "1-" + "9" * 19, "\0"]
)
def test_other_text_is_no_cursor(text: str) -> None:
    assert history_pages.parse_cursor(text) is None


@pytest.mark.parametrize("text", ["9" * 17 + "-" + "9" * 18, "0-0"])
def test_the_farthest_cursors_are_accepted_by_the_database(text: str) -> None:
    fill(1)
    place = history_pages.parse_cursor(text)
    assert place
    assert len(page(Search(), before=place).entries) + len(page(Search(), after=place).entries) > 0


# Others


def test_recent_attempts_are_the_newest_on_that_address() -> None:
    mine = [keep(address_id="ip_AbC") for _ in range(history_pages.MAX_RECENT + 1)]
    keep(address_id="ip_other")
    assert history_pages.recent_attempts(AuditEntry.objects.all(), "ip_AbC") == mine[:0:-1]


def test_open_attempts_are_those_of_the_user(alice: User, bob: User) -> None:
    mine = keep(user_id=alice.pk, outcome=Outcome.PENDING)
    keep(user_id=alice.pk)
    keep(user_id=bob.pk, outcome=Outcome.PENDING)
    (found,) = history_pages.open_attempts(alice)
    assert (found.attempt_id, found.address) == (str(mine.attempt_id), mine.address)


def test_the_vocabulary_is_sorted_by_frequency() -> None:
    for name in ("alice", "Bob", "Bob"):
        keep(user_name=name)
    words = choices.vocabulary(None)
    assert [term.label for term in words["person"]] == ["Bob", "alice"]
    assert [(term.value, term.label) for term in words["organization"]] == [("org_1", "Acme")]
    assert len(words["token"]) == 3


def test_the_vocabulary_of_a_narrowed_reader_has_only_organizations() -> None:
    keep()
    keep(organization_id="org_2", organization_name="Brook", user_name="eve")
    words = choices.vocabulary(["org_1"])
    assert [term.label for term in words.pop("organization")] == ["Acme"]
    assert words == {"person": [], "token": []}


def test_labels_of_the_chosen_tokens_and_organizations() -> None:
    made = keep()
    other = keep(created_at=made.created_at - timedelta(days=1), token_label="Other")
    search = Search(tokens=[made.token_id, other.token_id], organizations=["org_1", "org_2"])
    assert choices.labels(search, None) == {
        ("token", str(made.token_id)): "Live",
        ("token", str(other.token_id)): "Other",
        ("organization", "org_1"): "Acme",
    }
    assert choices.labels(search, ["org_1"]) == {("organization", "org_1"): "Acme"}


def test_the_time_of_the_last_pruning() -> None:
    assert status.pruned_before() is None
    with transaction.atomic():
        chain.add_activity(LinkKind.PRUNED, {"before": "2026-01-01T00:00:00+00:00", "entries": 1})
    assert status.pruned_before() == datetime(2026, 1, 1, tzinfo=UTC)
