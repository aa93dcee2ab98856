"""The last calls of a minute are for what was confirmed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import time_machine
from pytest_django import Settings

from ipadmin.katapult.types import Exchange
from ipadmin.models import ApiToken
from ipadmin.services import budget, confirmation, inventory
from tests.services.katapult import ADDRESS, IP, Katapult

MINUTE = datetime(2026, 11, 23, 12, 0, 30, tzinfo=UTC)


def answered(remaining: int | None, permitted: int | None = 1000, token: str = "a") -> None:
    exchange = Exchange(
        "GET",
        "/x",
        0.0,
        200,
        rate_limit_permitted=permitted,
        rate_limit_remaining=remaining,
        token_fingerprint=token,
    )
    budget.note(exchange)


@pytest.mark.parametrize(
    ("permitted", "remaining", "waits"),
    [(1000, 21, False), (1000, 20, True), (1000, 0, True), (40, 11, False), (40, 10, True)],
)
def test_reads_wait_when_few_calls_are_left(permitted: int, remaining: int, waits: bool) -> None:
    with time_machine.travel(MINUTE, tick=False):
        answered(remaining, permitted)
        if not waits:
            budget.require_room("a")
            return
        with pytest.raises(budget.ReadsWait) as caught:
            budget.require_room("a")
    assert caught.value.remaining == remaining
    assert caught.value.retry_at == MINUTE.replace(minute=1, second=0)


def test_the_budget_is_renewed_each_minute() -> None:
    with time_machine.travel(MINUTE, tick=False):
        answered(0)
    with time_machine.travel(MINUTE.replace(minute=1, second=0), tick=False):
        budget.require_room("a")


def test_an_answer_to_a_call_of_the_last_minute_says_nothing_of_this_one() -> None:
    began_before = Exchange("GET", "/x", 1.0, 200, rate_limit_remaining=0, token_fingerprint="a")
    with time_machine.travel(MINUTE.replace(second=0), tick=False):
        budget.note(began_before)
        assert budget.known("a") is None
    with time_machine.travel(MINUTE.replace(second=2), tick=False):
        budget.note(began_before)
        assert budget.remaining("a") == 0


def test_a_429_uses_up_the_calls_of_its_minute() -> None:
    with time_machine.travel(MINUTE, tick=False):
        answered(500)
        budget.use_up("a")
        budget.use_up("b")
        assert budget.room("a") == budget.room("b") == 0


def test_the_window_can_be_shorter(settings: Settings) -> None:
    settings.RATE_LIMIT_WINDOW = 4
    with time_machine.travel(MINUTE, tick=False):
        assert budget.window() == MINUTE.replace(second=28)
        answered(0)
    with time_machine.travel(MINUTE.replace(second=32), tick=False):
        assert budget.known("a") is None


def test_each_token_has_its_own_budget() -> None:
    with time_machine.travel(MINUTE, tick=False):
        answered(0)
        budget.require_room("b")


def test_an_answer_without_rate_limit_headers_changes_no_budget() -> None:
    answered(None, None)
    budget.note(Exchange("GET", "/x", 0.1))
    budget.require_room("a")


@pytest.mark.django_db
def test_the_list_waits_and_a_confirmed_attempt_does_not(
    token: ApiToken, katapult: Katapult
) -> None:
    answered(3, token=token.fingerprint)
    with pytest.raises(budget.ReadsWait):
        inventory.read(token)
    with pytest.raises(budget.ReadsWait):
        inventory.find(token, id=IP)
    assert katapult.requests == []
    shown = confirmation.read(token, IP)
    assert (shown.is_last_of_family, shown.in_organization) == (None, None)
    assert shown.ip.address == ADDRESS


def test_calls_under_way_are_no_longer_left() -> None:
    """Their answers have not said so yet."""
    with time_machine.travel(MINUTE, tick=False):
        answered(23)
        for _ in range(3):
            budget.require_room("a")
        assert budget.room("a") == 0
        with pytest.raises(budget.ReadsWait):
            budget.require_room("a")


def test_a_late_answer_does_not_add_calls() -> None:
    with time_machine.travel(MINUTE, tick=False):
        answered(30)
        answered(35)
        assert budget.remaining("a") == 30
        answered(1000)
        assert budget.remaining("a") == 1000
