"""The timeline of an address, from entries in the database, with an address that Katapult reads."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from ipadmin.audit.search import timeline
from ipadmin.audit.search.pages import cursor_of
from ipadmin.audit.search.plan import fetch_plan
from ipadmin.audit.search.query import Search
from ipadmin.katapult.types import Organization
from ipadmin.models import ApiToken, AuditEntry, User
from ipadmin.services import live_state
from tests.history import id_of
from tests.services.conftest import keep_token
from tests.services.katapult import ADDRESS, IP, OTHER_VM, VM, Katapult

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
ELSEWHERE = "http://127.0.0.1:9999"

Make = Callable[..., AuditEntry]


@pytest.fixture
def make(db: None) -> Make:
    """An attempt so many hours after noon: one that failed, unless told."""

    def made(hours: float = 0, **fields: Any) -> AuditEntry:
        at = NOON + timedelta(hours=hours)
        usual = {
            "attempt_id": uuid.uuid4(),
            "outcome": "failed",
            "basis": "answer",
            "created_at": at,
            "sent_at": at,
            "finished_at": at + timedelta(seconds=1),
            "user_id": 1,
            "user_name": "alice",
            "token_id": uuid.uuid4(),
            "organization_id": "org_1",
            "environment": "sandbox",
            "api_url": settings.KATAPULT_API_URL,
            "address_id": IP,
            "address": ADDRESS,
            "allocation_id": VM,
            "allocation_type": "VirtualMachine",
            "allocation_name": "web-01",
        }
        return AuditEntry.objects.create(**usual | fields)

    return made


def of_address() -> timeline.Entries:
    return AuditEntry.objects.filter(address=ADDRESS)


def shown(page: timeline.Timeline) -> list[AuditEntry]:
    return [each.entry for each in page.attempts]


@pytest.fixture
def pages_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeline, "PER_PAGE", 2)


@pytest.mark.django_db
def test_the_timeline_of_an_address_without_attempts() -> None:
    assert timeline.timeline(of_address()) == timeline.Timeline([])
    assert timeline.who_had_it(of_address(), NOON) == []
    assert timeline.newest(of_address()) == []
    assert timeline.last_known([]) is None


@pytest.mark.usefixtures("pages_of_two")
def test_timeline_pages_in_both_directions(make: Make) -> None:
    made = [make(hours) for hours in range(5)][::-1]
    first = timeline.timeline(of_address())
    second = timeline.timeline(of_address(), before=first.older_than)
    third = timeline.timeline(of_address(), before=second.older_than)
    assert [shown(first), shown(second), shown(third)] == [made[:2], made[2:4], made[4:]]
    assert (first.newer_than, third.older_than) == (None, None)
    back = timeline.timeline(of_address(), after=third.newer_than)
    assert (shown(back), back.older_than) == (made[2:4], cursor_of(made[3]))
    assert shown(timeline.timeline(of_address(), after=back.newer_than)) == made[:2]


@pytest.mark.usefixtures("pages_of_two")
def test_entries_of_one_moment_keep_their_order(make: Make) -> None:
    made = [make() for _ in range(3)][::-1]
    first = timeline.timeline(of_address())
    rest = timeline.timeline(of_address(), before=first.older_than)
    assert shown(first) + shown(rest) == made


def test_the_timeline_after_the_newest_entry_is_its_newest_page(make: Make) -> None:
    entry = make()
    assert shown(timeline.timeline(of_address(), after=cursor_of(entry))) == [entry]


def test_a_change_is_shown_with_the_attempt_after_it(make: Make) -> None:
    make(outcome="succeeded")
    make(1, allocation_id=OTHER_VM, allocation_name="db-3")
    later, earlier = timeline.timeline(of_address()).attempts
    assert ([len(later.changes), len(earlier.changes)]) == [1, 0]


@pytest.mark.usefixtures("pages_of_two")
def test_a_change_before_the_end_of_a_page(make: Make) -> None:
    make(outcome="succeeded")
    make(1)
    make(2)
    first = timeline.timeline(of_address())
    assert [len(each.changes) for each in first.attempts] == [0, 1]


@pytest.mark.usefixtures("pages_of_two")
def test_changes_are_those_of_one_address_id_and_api(make: Make) -> None:
    make(outcome="succeeded")
    make(1, api_url=ELSEWHERE, allocation_id=OTHER_VM)
    make(2, api_url=ELSEWHERE, allocation_id=OTHER_VM)
    make(3)
    page = timeline.timeline(of_address())
    assert page.is_mixed
    # Not of the one beside it, but of the one before it on the same API.
    assert [len(each.changes) for each in page.attempts] == [1, 0]


@pytest.mark.parametrize(
    ("fields", "is_found"),
    [
        ({}, False),
        ({"outcome": "succeeded"}, False),
        ({"error_code": "no_allocation"}, True),
    ],
)
def test_the_holder_found_by_an_attempt(make: Make, fields: dict[str, Any], is_found: bool) -> None:
    make(**fields)
    [attempt] = timeline.timeline(of_address()).attempts
    assert (attempt.found is not None) is is_found


def test_who_had_it_on_each_api(make: Make) -> None:
    make()
    make(2)
    for hours in range(30):
        make(1 + hours / 60, api_url=ELSEWHERE, allocation_id="", allocation_type="")
    found = dict(timeline.who_had_it(of_address(), NOON + timedelta(minutes=90, seconds=30)))
    assert {api: each.kind for api, each in found.items()} == {
        settings.KATAPULT_API_URL: "same",
        ELSEWHERE: "since",
    }


def test_who_had_it_takes_as_many_queries_for_thousands(
    make: Make, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for hours in range(60):
        make(hours)
    with django_assert_num_queries(2):
        [(_, answer)] = timeline.who_had_it(of_address(), NOON + timedelta(hours=30.5))
    assert answer.kind == "same"


def test_the_newest_entries_are_those_of_this_api(make: Make) -> None:
    make(0, address_id="ip_older")
    here = make(1)
    make(2, api_url=ELSEWHERE)
    assert timeline.newest(of_address()) == [here]


def test_the_newest_entries_of_another_api_without_others(make: Make) -> None:
    there = make(api_url=ELSEWHERE)
    assert timeline.newest(of_address()) == [there]


def test_the_last_known_holder(make: Make) -> None:
    known = timeline.last_known([make(outcome="succeeded")])
    assert known is not None
    assert (known.kind, known.before and known.before.holding.allocation) == ("since", None)


# Now


@pytest.mark.parametrize(
    ("fields", "is_found"),
    [
        ({}, True),
        ({"organization_id": "org_2"}, False),
        ({"organization_id": "", "organization_sub_domain": "acme"}, True),
        ({"organization_id": "", "organization_sub_domain": ""}, False),
        ({"api_url": ELSEWHERE}, False),
    ],
)
def test_the_token_that_reads_an_address(
    make: Make, token: ApiToken, fields: dict[str, Any], is_found: bool
) -> None:
    found = live_state.token_for(token.owner, make(**fields))
    assert (found == token) is is_found


def test_the_last_used_token_reads_an_address(make: Make, alice: User, token: ApiToken) -> None:
    used = keep_token(alice, "x" * 20, Organization("org_1", "Acme", "acme"), "Used")
    ApiToken.objects.filter(pk=used.pk).update(used_at=timezone.now())
    assert live_state.token_for(alice, make()) == used
    assert live_state.token_for(alice, None) == used


def test_the_token_of_another_user_reads_no_address(make: Make, token: ApiToken, bob: User) -> None:
    assert live_state.token_for(bob, make()) is None
    assert live_state.token_for(bob, None) is None


@pytest.mark.parametrize(("holder", "count"), [(VM, 0), (OTHER_VM, 1), (None, 1)])
def test_changes_up_to_the_state_now(
    make: Make, token: ApiToken, katapult: Katapult, holder: str | None, count: int
) -> None:
    katapult.holder = holder
    live = live_state.look_up(token, ADDRESS, [make()])
    assert (live.ip.address, len(live.changes)) == (ADDRESS, count)


def test_the_entries_of_another_address_id_are_not_compared(
    make: Make, token: ApiToken, katapult: Katapult
) -> None:
    live = live_state.look_up(token, ADDRESS, [make(address_id="ip_2", allocation_id=OTHER_VM)])
    assert (live.ip.id, live.changes) == (IP, [])


def test_only_changes_since_the_newest_entry_count(
    make: Make, token: ApiToken, katapult: Katapult
) -> None:
    entries = [make(1), make(outcome="succeeded")]
    assert live_state.look_up(token, ADDRESS, entries).changes == []


# Neighbours


def test_the_neighbours_a_search(make: Make) -> None:
    bob = id_of("bob")
    made = [make(hours, user_id=bob, address=f"192.0.2.{hours}") for hours in range(3)]
    make(1), make(2)
    plan = fetch_plan(Search(people=[bob]))
    around = timeline.neighbours(plan, made[1])
    assert around.earlier == (made[0].attempt_id, made[0].created_at)
    assert around.later == (made[2].attempt_id, made[2].created_at)
    assert timeline.neighbours(plan, made[2]).later is None
