"""Every outcome and every code in words that are true."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from ipadmin.crypto import CannotDecrypt
from ipadmin.katapult.errors import AnswerLost, ErrorAnswer, NotSent, UnreadableAnswer
from ipadmin.katapult.types import Exchange
from ipadmin.models import AuditEntry, Basis, Outcome
from ipadmin.services.attempt import AuditUnavailable, OutcomeNotWritten
from ipadmin.services.budget import ReadsWait
from ipadmin.ui import explanations
from ipadmin.ui.error_messages import WORDS
from ipadmin.ui.explanations import (
    NOT_KNOWN_YET,
    NOTHING_CHANGED,
    of_entry,
    of_error,
)

AT = datetime(2026, 11, 23, 12, 0, 40, tzinfo=UTC)
KATAPULTS = [
    *("missing_api_token", "unauthorized_network_for_api_token", "invalid_api_token"),
    *("invalid_capabilities_token", "scope_not_granted", "permission_denied"),
    *("organization_suspended", "organization_not_activated", "ip_address_not_found"),
    *("organization_not_found", "virtual_machine_not_found", "route_not_found"),
    *("resource_does_not_support_unallocation", "no_allocation", "validation_error"),
    *("invalid_argument", "missing_required_argument", "invalid_json_body"),
    *("rate_limit_reached", "service_unavailable", "unhandled_exception"),
    "no_user_associated_with_identity",
]
OURS = [
    *("not_sent", "no_free_connection", "answer_lost", "unreadable_answer", "answer_not_kept"),
    *("audit_unavailable", "outcome_not_written", "token_unreadable", "interrupted"),
    *("already_unallocated", "allocation_changed", "reads_wait", "already_added"),
]


def answer(
    code: str, description: str = "", retry_after: float | None = None, **detail: Any
) -> ErrorAnswer:
    exchange = Exchange("GET", "/", 0.1, 403, "request-1", retry_after=retry_after)
    return ErrorAnswer(code, description, detail, exchange)


def entry(outcome: str, code: str = "", **more: Any) -> AuditEntry:
    is_open = outcome == "pending"
    fields: dict[str, Any] = {
        "attempt_id": uuid.uuid4(),
        "outcome": outcome,
        "error_code": code,
        "user_name": "alice",
        "address": "192.0.2.7",
        "allocation_id": "vm_1",
        "allocation_type": "VirtualMachine",
        "allocation_name": "web-01",
        "finished_at": None if is_open else AT,
        "basis": "" if is_open else Basis.ANSWER,
    }
    return AuditEntry(**fields | more)


def said(shown: explanations.Explanation) -> str:
    facts = [part for fact in shown.facts for part in fact]
    return " ".join([shown.title, shown.what_happened, shown.changed, shown.what_now, *facts])


@pytest.mark.parametrize("code", KATAPULTS + OURS)
def test_every_code_has_words(code: str) -> None:
    words = WORDS[code]
    assert words.title
    assert words.what_happened.endswith(".")
    assert words.what_now.endswith(".")


@pytest.mark.parametrize("code", ["permission_denied", "no_allocation"])
def test_a_reading_that_failed_changed_nothing(code: str) -> None:
    shown = of_error(answer(code))
    assert (shown.title, shown.changed) == (WORDS[code].title, NOTHING_CHANGED)
    assert ("Katapult request ID", "request-1") in shown.facts


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CannotDecrypt(), "token_unreadable"),
        (NotSent("ConnectError: refused", Exchange("GET", "/", 0)), "not_sent"),
        (AnswerLost("ReadTimeout: slow", Exchange("GET", "/", 0)), "answer_lost"),
        (UnreadableAnswer("is empty", Exchange("GET", "/", 0)), "unreadable_answer"),
        (AuditUnavailable(), "audit_unavailable"),
        (ReadsWait(7, AT), "reads_wait"),
    ],
)
def test_our_own_errors(error: Exception, code: str) -> None:
    shown = of_error(error)
    assert (shown.title, shown.changed) == (WORDS[code].title, NOTHING_CHANGED)


def test_an_outcome_that_was_not_written_is_not_known() -> None:
    shown = of_error(OutcomeNotWritten(entry("pending")))
    assert NOTHING_CHANGED not in said(shown)
    assert shown.tone == "danger"


@pytest.mark.parametrize("code", ["permission_denied", "not_sent", "allocation_changed"])
@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.REFUSED])
def test_failed_and_refused_changed_nothing(outcome: str, code: str) -> None:
    shown = of_entry(entry(outcome, code))
    assert (shown.title, shown.changed) == (WORDS[code].title, NOTHING_CHANGED)


@pytest.mark.parametrize(
    ("code", "is_said"),
    [
        ("answer_lost", True),
        ("invalid_api_token", True),
        ("never_heard_of", True),
        ("allocation_changed", False),
        ("interrupted", False),
        ("not_sent", False),
    ],
)
def test_a_failed_reading_before_the_call_is_not_taken_for_the_call(
    code: str, is_said: bool
) -> None:
    said_so = "The request to unallocate was not sent."
    assert (said_so in of_entry(entry("refused", code)).what_happened) == is_said
    assert said_so not in of_entry(entry("failed", code)).what_happened


# What may stand in an entry whose call was made and did not come to a definite answer.
UNANSWERED = [*KATAPULTS, "answer_lost", "unreadable_answer", "", "never_heard_of"]


@pytest.mark.parametrize("code", UNANSWERED)
def test_an_unknown_outcome_never_claims_that_nothing_changed(code: str) -> None:
    for finished_at in (None, AT):
        shown = of_entry(entry("unknown", code, finished_at=finished_at))
        assert not re.search("nothing was changed|no request was sent", said(shown).lower())
        assert "may or may not have been unallocated" in shown.changed
        assert shown.tone == "warning"


def test_pending_promises_nothing() -> None:
    assert of_entry(entry("pending")).changed == NOT_KNOWN_YET


def test_success_says_what_was_lost() -> None:
    shown = of_entry(entry("succeeded"))
    assert "virtual machine web-01" in shown.changed
    assert "reverse DNS" in shown.changed
    assert (shown.tone, shown.what_happened) == ("success", "Katapult confirmed the change.")


def test_an_answer_that_was_not_recorded_has_words_of_its_own() -> None:
    """It has no error code. The site may only have been slow."""
    shown = of_entry(entry("failed", "", basis=Basis.EVIDENCE))
    assert "Katapult answered" not in said(shown)
    assert "This site stopped after it had started to send the request, or was" in said(shown)
    assert "Error code" not in dict(shown.facts)


@pytest.mark.parametrize(("outcome", "basis"), [("failed", "evidence"), ("unknown", "")])
@pytest.mark.parametrize("code", ["request_timeout", "no_allocation", "rate_limit_reached"])
def test_an_error_that_did_not_decide_is_not_taken_for_katapults(
    outcome: str, basis: str, code: str
) -> None:
    """A gateway's, or a code of Katapult's under another status than its own."""
    shown = of_entry(entry(outcome, code, basis=basis, error_description="Own words."))
    assert "Own words." in shown.what_happened
    assert "Katapult" not in said(shown)


def test_an_unknown_code_shows_katapults_own_words() -> None:
    for shown in (
        of_error(answer("locked_by_policy", "Ask Bo.")),
        of_entry(entry("failed", "locked_by_policy", error_description="Ask Bo.")),
    ):
        assert "locked_by_policy" in shown.title
        assert shown.what_happened == "Ask Bo."
        assert dict(shown.facts)["Error code"] == "locked_by_policy"


@pytest.mark.parametrize(
    ("code", "detail", "fact"),
    [
        (
            "unauthorized_network_for_api_token",
            {"ip_address": "203.0.113.9"},
            ("Address seen by Katapult", "203.0.113.9"),
        ),
        ("scope_not_granted", {"scopes": ["a", "b"]}, ("Scope needed", "a, b")),
        ("validation_error", {"errors": ["x", "y"]}, ("Katapult says", "x, y")),
        ("validation_error", {"errors": "x"}, ("Katapult says", "x")),
        ("permission_denied", {"details": "no"}, ("Katapult says", "no")),
        ("rate_limit_reached", {"total_permitted": 200}, ("Requests allowed per minute", "200")),
        ("new", {"value": ["odd", 1]}, ("Katapult says", "odd, 1")),
        (
            "allocation_changed",
            {"found": {"allocation_id": "vm_2", "allocation_type": "VirtualMachine"}},
            ("Found", "VirtualMachine vm_2"),
        ),
    ],
)
def test_what_an_operator_needs_of_the_detail(code: str, detail: Any, fact: Any) -> None:
    assert fact in of_error(answer(code, **detail)).facts
    assert fact in of_entry(entry("failed", code, error_detail=detail)).facts


@pytest.mark.parametrize(
    "detail",
    [
        {"confirmed": {"allocation_id": 7, "allocation_type": ["x"]}},
        {"found": {"allocation_name": {"a": 1}}},
        {"ip_address": {"nested": [1]}, "scopes": {"a": 1}, "errors": [None]},
        {"total_permitted": 0, "details": ""},
    ],
)
def test_a_detail_of_any_shape_can_be_shown(detail: dict[str, Any]) -> None:
    assert of_error(answer("odd", **detail)).title
    assert of_entry(entry("failed", "odd", error_detail=detail)).title


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("12:00:40", "12:01:00"),
        ("12:00:00", "12:01:00"),
        ("12:00:59.999999", "12:01:00"),
        ("23:59:30", "00:00:00"),
    ],
)
def test_after_a_429_the_next_full_minute(at: str, expected: str) -> None:
    moment = datetime.fromisoformat(f"2026-11-23T{at}+00:00")
    shown = of_entry(entry("failed", "rate_limit_reached", finished_at=moment))
    with time_machine.travel(moment, tick=False):
        assert of_error(answer("rate_limit_reached")).retry_at == shown.retry_at
    assert shown.retry_at
    assert f"{shown.retry_at:%H:%M:%S}" == expected
    assert f"at {expected} UTC" in shown.what_now


@time_machine.travel(AT, tick=False)
def test_after_a_429_as_told() -> None:
    shown = of_error(answer("rate_limit_reached", retry_after=5))
    assert shown.retry_at == AT + timedelta(seconds=5)
    assert "12:00:45 UTC" in shown.what_now


def test_only_a_429_says_when() -> None:
    assert of_error(answer("service_unavailable", retry_after=5)).retry_at is None
