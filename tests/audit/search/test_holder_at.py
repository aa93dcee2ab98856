"""Who had an address at a given time, from unsaved entries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipadmin.audit.search.observations import (
    changes,
    holder_at,
    observations,
    seen,
)
from ipadmin.models import AuditEntry
from tests.audit.search.observed import NOON, after, attempt, name, refused

HISTORY = [
    attempt(0, "failed"),
    attempt(5000, "failed"),
    attempt(10_000),
    attempt(20_000, machine="db-3"),
]


@pytest.mark.parametrize(
    ("seconds", "kind", "before", "following"),
    [
        (-100, "until", None, "web-01"),
        (1, "within", None, "web-01"),
        (100, "same", "web-01", "web-01"),
        (7000, "same", "web-01", "web-01"),
        (15_000, "between", "nobody", "db-3"),
        (99_000, "since", "nobody", None),
    ],
)
def test_the_holder_at_a_time(
    seconds: int, kind: str, before: str | None, following: str | None
) -> None:
    answer = holder_at(HISTORY, after(seconds))
    around = [each and name(each.holding) for each in (answer.before, answer.after)]
    assert (answer.kind, *around) == (kind, before, following)


def test_the_holder_is_unknown_without_entries() -> None:
    assert holder_at([], NOON).kind == "never"


def test_the_holder_while_an_attempt_is_under_way() -> None:
    slow = attempt(finished_at=after(30))
    answer = holder_at([slow], after(10))
    assert (answer.kind, answer.under_way) == ("under_way", slow)
    assert holder_at([slow], after(29.5)).kind == "within"


def test_an_attempt_without_an_outcome_is_under_way() -> None:
    entry = attempt(outcome="pending", finished_at=None)
    assert holder_at([entry], after(900)).kind == "under_way"


def test_a_second_in_which_the_holder_changed() -> None:
    quick = attempt(sent_at=after(0.2), finished_at=after(0.4))
    answer = holder_at([quick], NOON)
    assert (answer.kind, [name(each.holding) for each in answer.within]) == (
        "changing",
        ["web-01", "nobody"],
    )


def test_a_confirmed_allocation_may_have_been_read_minutes_before() -> None:
    entries = [attempt(0, "failed"), refused(5000, "interrupted")]
    assert holder_at(entries, after(4000)).kind == "same"
    assert holder_at(entries, after(4900)).kind == "between"


@pytest.mark.parametrize(("seconds", "has_doubt"), [(5000, True), (-5000, False)])
def test_the_holder_after_an_attempt_with_unknown_outcome_is_in_doubt(
    seconds: int, has_doubt: bool
) -> None:
    lost = attempt(outcome="unknown")
    assert (holder_at([lost], after(seconds)).doubt is lost) is has_doubt


def test_another_address_id_means_that_the_address_was_released() -> None:
    entries = [attempt(), attempt(5000, machine="", address_id="ip_2")]
    assert holder_at(entries, after(2500)).kind == "between"


# Whole seconds, so that no two looks are at the same moment.
attempts = st.builds(
    lambda at, outcome, machine, read: attempt(at * 100, outcome, machine, read=read),
    st.integers(0, 50),
    st.sampled_from(["succeeded", "failed", "unknown"]),
    st.sampled_from(["web-01", "db-3"]),
    st.lists(st.sampled_from(["web-01", "db-3", "", "gone", "?"]), max_size=3),
)
histories = st.lists(attempts, max_size=6, unique_by=lambda entry: entry.created_at)


@given(histories, st.integers(-50, 5200))
def test_the_holder_is_derived_from_the_nearest_observations(
    entries: list[AuditEntry], seconds: int
) -> None:
    at = after(seconds)
    answer = holder_at(entries, at)
    looks = [each for entry in entries for each in observations(entry)]
    nearest = max((each.at for each in looks if each.at < at), default=None)
    assert (answer.before.at if answer.before else None) == nearest
    following = min((each.at for each in looks if each.at >= after(seconds + 1)), default=None)
    assert (answer.after.at if answer.after else None) == following
    assert all(at <= each.at < after(seconds + 1) for each in answer.within)
    if answer.kind == "same":
        assert answer.before is not None
        assert answer.after is not None
        assert name(answer.before.holding) == name(answer.after.holding)


@given(histories)
def test_a_change_is_between_two_observations_that_differ(entries: list[AuditEntry]) -> None:
    all_seen = seen(entries)
    for change in changes(entries):
        at = all_seen.index(change.before)
        assert all_seen[at + 1] == change.after
        assert change.before.entry is not change.after.entry
        assert name(change.before.holding) != name(change.after.holding)
