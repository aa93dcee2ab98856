"""Every error has a button for its advice, and no other."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from ipadmin.models import ApiToken
from ipadmin.ui import explanations
from ipadmin.ui.error_messages import WORDS
from ipadmin.ui.next_steps import Place, Step
from tests.ui.test_explanations import AT, answer, entry

# Nothing is left to do, or the result itself links to the address.
WITHOUT = {
    *("no_allocation", "already_unallocated", "answer_not_kept"),
    *("already_allocated", "reverse_dns_already_set"),
}
RETRY = Step("Retry", "/here/")


def token(label: str, organization: str = "org_1") -> ApiToken:
    return ApiToken(id=uuid.uuid4(), label=label, organization_id=organization)


def place(mine: ApiToken) -> Place:
    """Where everything is possible."""
    return Place(mine, RETRY, [(token("Night"), "/other/")], "/entry/", token("Same"))


@pytest.mark.parametrize("code", [*WORDS, "never_heard_of"])
def test_every_error_has_a_button(code: str) -> None:
    unready = token("Mine", "")
    for shown in (
        explanations.of_error(answer(code)),
        explanations.of_entry(entry("failed", code)),
    ):
        steps = shown.at(place(unready)).steps
        assert bool(steps) is (code not in WITHOUT)
        assert all(step.text and (step.url or step.copied) for step in steps)


@pytest.mark.parametrize("code", [*WORDS, "never_heard_of"])
def test_without_a_place_only_details_can_be_copied(code: str) -> None:
    steps = explanations.of_error(answer(code)).at(Place()).steps
    assert {step.text for step in steps} <= {"Copy details for support"}


@pytest.mark.parametrize(
    ("code", "texts"),
    [
        ("invalid_api_token", ["Replace token", "Use “Night”"]),
        ("token_unreadable", ["Replace token", "Use “Night”"]),
        ("scope_not_granted", ["Retry", "Use “Night”", "Replace token"]),
        ("rate_limit_reached", ["Retry", "Use “Night”"]),
        ("unhandled_exception", ["Retry", "Copy details for support"]),
        ("ip_address_not_found", ["Refresh the list"]),
        ("outcome_not_written", ["Open entry", "Copy details for support"]),
        ("already_added", ["Open “Same”"]),
        ("no_allocation", []),
        ("organization_suspended", ["Retry", "Copy details for support"]),
        # Its organization is chosen.
        ("no_user_associated_with_identity", []),
    ],
)
def test_only_what_helps_is_offered(code: str, texts: list[str]) -> None:
    steps = explanations.of_error(answer(code)).at(place(token("Mine"))).steps
    assert [step.text for step in steps] == texts


@time_machine.travel(AT, tick=False)
@pytest.mark.parametrize(("told", "seconds"), [(None, 20), (5, 5), (5.2, 6)])
def test_a_retry_counts_down_to_the_next_minute_or_what_katapult_says(
    told: float | None, seconds: int
) -> None:
    shown = explanations.of_error(answer("rate_limit_reached", retry_after=told))
    retry, other = shown.at(place(token("Mine"))).steps
    assert (retry.seconds, other.seconds) == (seconds, 0)


@time_machine.travel(AT, tick=False)
def test_an_old_time_is_not_waited_for() -> None:
    assert Step("Retry", at=AT - timedelta(seconds=1)).seconds == 0


@time_machine.travel(datetime(2026, 11, 24, 20, 0, tzinfo=UTC), tick=False)
def test_the_copied_details() -> None:
    *_, copy = explanations.of_error(answer("unhandled_exception")).at(place(token("A"))).steps
    for part in ("Internal error in Katapult", "Nothing was changed.", "2026-11-24 20:00:00 UTC"):
        assert part in copy.copied
    assert "Katapult request ID: request-1" in copy.copied


def test_an_attempt_without_an_effect_starts_again() -> None:
    steps = (
        explanations.of_entry(entry("failed", "", basis="evidence")).at(Place(retry=RETRY)).steps
    )
    assert steps[0] == RETRY


@pytest.mark.parametrize("outcome", ["pending", "unknown", "succeeded"])
def test_an_attempt_that_may_have_worked_is_not_tried_again(outcome: str) -> None:
    shown = explanations.of_entry(entry(outcome, "answer_lost")).at(place(token("Mine")))
    assert shown.steps == ()
