"""Runs use what the rate limit leaves, and share it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.conf import settings
from django.utils import timezone

from ipadmin.katapult.types import Exchange
from ipadmin.models import ApiToken, Run, RunState
from ipadmin.services import budget, run_pace
from ipadmin.services.run_pace import CALLS, Pace
from tests.history import keep

pytestmark = pytest.mark.django_db
MINUTE = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[time_machine.Traveller]:
    """Ten seconds after the beginning of a minute. Calls are not spread over the minute."""
    run_pace._in_flight.clear()
    monkeypatch.setattr(run_pace, "SPREAD", 0.0)
    with time_machine.travel(MINUTE + timedelta(seconds=10), tick=False) as clock:
        yield clock


def answered(token: ApiToken, remaining: int, permitted: int = 1000) -> None:
    budget.note(
        Exchange(
            "GET",
            "/x",
            0.0,
            200,
            rate_limit_permitted=permitted,
            rate_limit_remaining=remaining,
            token_fingerprint=token.fingerprint,
        )
    )


def going(token: ApiToken, count: int) -> None:
    """So many runs on the token are being carried out."""
    for _ in range(count):
        run = Run(user=token.owner, state=RunState.RUNNING, claimed_by=uuid.uuid4())
        run.claimed_until = timezone.now() + timedelta(hours=1)
        run.set_token(token)
        run.save()


def taken(pace: Pace, token: ApiToken, at_most: int = 1000) -> int:
    """The calls that a run makes, one address after another, until it has to wait. Nobody else
    makes any."""
    total = 0
    while total < at_most and not pace.acquire(token.fingerprint, CALLS):
        total += CALLS
        known = budget.known(token.fingerprint)
        assert known
        answered(token, known.remaining - CALLS, known.permitted or 1000)
        pace.release(token.fingerprint, CALLS)
    return total


def test_a_run_uses_all_but_the_reserve(token: ApiToken) -> None:
    going(token, 1)
    answered(token, 1000)
    pace = Pace()
    assert taken(pace, token) == 980
    assert pace.acquire(token.fingerprint, CALLS) == pytest.approx(50)


def test_calls_are_spread_over_the_minute(
    token: ApiToken, clock: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_pace, "SPREAD", 0.85)
    going(token, 1)
    answered(token, 1000)
    pace, used = Pace(), []
    assert taken(pace, token) == CALLS * settings.RUN_CONCURRENCY
    for _ in range(80):
        clock.shift(0.5)
        used.append(taken(pace, token))
    assert sum(used) == pytest.approx(1000 - 20, abs=100)
    assert max(used) <= 30


def test_calls_under_way_are_counted(token: ApiToken) -> None:
    answered(token, 24)
    pace = Pace()
    assert [pace.acquire(token.fingerprint, CALLS) for _ in range(3)] == [0, 0, run_pace.SOON]
    pace.release(token.fingerprint, CALLS)
    assert pace.acquire(token.fingerprint, CALLS) == 0


def test_one_address_goes_first_while_nothing_is_known(token: ApiToken) -> None:
    pace = Pace()
    assert [pace.acquire(token.fingerprint, CALLS) for _ in range(2)] == [0, run_pace.SOON]
    answered(token, 998)
    assert pace.acquire(token.fingerprint, CALLS) == 0


def test_a_minute_begins_a_little_later(token: ApiToken, clock: time_machine.Traveller) -> None:
    clock.move_to(MINUTE)
    assert Pace().acquire(token.fingerprint, CALLS) == pytest.approx(1)
    clock.shift(1)
    assert Pace().acquire(token.fingerprint, CALLS) == 0


def test_two_runs_share_equally(token: ApiToken) -> None:
    going(token, 2)
    answered(token, 1000)
    one, other = Pace(), Pace()
    assert one.acquire(token.fingerprint, CALLS) == other.acquire(token.fingerprint, CALLS) == 0
    assert taken(one, token) == pytest.approx(490, abs=10)
    assert taken(other, token) == pytest.approx(490, abs=10)


def test_the_share_of_a_run_that_ended_is_used(token: ApiToken) -> None:
    going(token, 2)
    answered(token, 1000)
    pace = Pace()
    assert taken(pace, token) == 490
    Run.objects.filter(pk=Run.objects.first().pk).update(state=RunState.FINISHED)  # type: ignore[union-attr]
    pace._counted_at = -run_pace.COUNT_SECONDS
    assert taken(pace, token) == 490


def test_what_others_do_not_need_is_used_at_the_end(
    token: ApiToken, clock: time_machine.Traveller
) -> None:
    going(token, 2)
    answered(token, 1000)
    pace = Pace()
    assert taken(pace, token) == 490
    assert pace.acquire(token.fingerprint, CALLS) == pytest.approx(35)
    clock.move_to(MINUTE + timedelta(seconds=46))
    assert taken(pace, token) == pytest.approx(490, abs=8)


def test_after_a_429_nothing_is_sent_before_the_next_minute(
    token: ApiToken, clock: time_machine.Traveller
) -> None:
    answered(token, 500)
    pace, other = Pace(), Pace()
    pace.back_off(token.fingerprint)
    assert (
        pace.acquire(token.fingerprint, CALLS)
        == other.acquire(token.fingerprint, CALLS)
        == pytest.approx(50)
    )
    clock.shift(51)
    assert pace.acquire(token.fingerprint, CALLS) == 0


def test_a_longer_retry_after_is_respected(token: ApiToken, clock: time_machine.Traveller) -> None:
    pace = Pace()
    pace.back_off(token.fingerprint, retry_after=90)
    clock.shift(60)
    assert pace.acquire(token.fingerprint, CALLS) == pytest.approx(30)


def test_a_small_limit_keeps_a_smaller_reserve(token: ApiToken) -> None:
    answered(token, 40, permitted=40)
    assert taken(Pace(), token) == 30


def test_calls_left_are_the_least_that_is_known(token: ApiToken) -> None:
    assert run_pace.calls_left(token) is None
    keep(token_id=token.pk, created_at=timezone.now(), rate_limit_remaining=700)
    keep(token_id=token.pk, created_at=MINUTE - timedelta(hours=1), rate_limit_remaining=5)
    assert run_pace.calls_left(token) == 700
    answered(token, 650)
    assert run_pace.calls_left(token) == 650
    assert run_pace.calls_left(None) is None


@pytest.mark.parametrize(
    ("calls", "least", "most"), [(0, 0, 0), (100, 1, 10), (1000, 50, 55), (4000, 230, 250)]
)
def test_the_time_that_calls_take(token: ApiToken, calls: int, least: int, most: int) -> None:
    answered(token, 1000)
    assert least <= run_pace.seconds_needed(token, calls) <= most
