"""The outcome of each answer to the call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from ipadmin.models import Basis, Outcome
from tests.services.attempts import only_entry, reading_of
from tests.services.conftest import Attempt
from tests.services.katapult import OTHER_VM, REQUEST_ID, VM, Katapult, html, refusal

pytestmark = pytest.mark.django_db


# One 4xx of each status; tests/katapult/test_errors.py reads every documented code.
NO = [
    (400, "missing_api_token", {}),
    (403, "scope_not_granted", {"scopes": ["ip_addresses"]}),
    (404, "ip_address_not_found", {}),
    (409, "resource_does_not_support_unallocation", {}),
    (422, "validation_error", {"errors": ["is locked"]}),
    (429, "rate_limit_reached", {"total_permitted": 1000}),
]


# Answers with an error that a gateway may have sent while the request still travels.
FOREIGN = [
    (408, "request_timeout"),
    (422, "never_heard_of"),
    (400, "no_allocation"),
    (200, "odd"),
]


FAILING = [(503, "service_unavailable"), (500, "unhandled_exception"), (500, "never_heard_of")]


SILENCE: dict[str, Callable[[], httpx.Response | Exception]] = {
    "no answer": lambda: httpx.ReadTimeout("timed out"),
    "HTML": html,
    "empty": lambda: httpx.Response(200),
    "a proxy's 429": lambda: html(429),
    "JSON without a code": lambda: httpx.Response(400, json={"message": "no"}),
}


@pytest.mark.parametrize(("status", "code", "detail"), NO)
def test_a_documented_error_is_failed(
    attempt: Attempt, katapult: Katapult, status: int, code: str, detail: dict[str, Any]
) -> None:
    katapult.posts.append(refusal(status, code, detail))
    entry = attempt()
    assert (entry.outcome, entry.basis, entry.is_open) == (Outcome.FAILED, Basis.ANSWER, False)
    assert (entry.http_status, entry.error_code, entry.error_detail) == (status, code, detail)
    assert (entry.error_description, entry.katapult_request_id) == ("Why", REQUEST_ID)
    assert (katapult.methods, only_entry().outcome) == ("GET POST", Outcome.FAILED)


def test_an_error_that_is_not_wrapped_is_failed(attempt: Attempt, katapult: Katapult) -> None:
    katapult.posts.append(httpx.Response(422, json={"code": "no_allocation", "description": None}))
    assert (attempt().error_code, only_entry().outcome) == ("no_allocation", Outcome.FAILED)


@pytest.mark.parametrize(
    ("failure", "holder", "outcome"),
    [
        *((failure, None, Outcome.SUCCEEDED) for failure in FAILING + FOREIGN),
        (FAILING[0], VM, Outcome.UNKNOWN),
        (FAILING[0], OTHER_VM, Outcome.UNKNOWN),
        (FOREIGN[0], VM, Outcome.UNKNOWN),
    ],
)
def test_after_an_answer_that_is_not_definite_a_reading_decides(
    attempt: Attempt,
    katapult: Katapult,
    failure: tuple[int, str],
    holder: str | None,
    outcome: Outcome,
) -> None:
    is_open = outcome == Outcome.UNKNOWN

    def fail(_: httpx.Request) -> httpx.Response:
        katapult.holder = holder
        return refusal(*failure)

    katapult.posts.append(fail)
    entry = attempt()
    assert (entry.outcome, entry.is_open, entry.error_code) == (outcome, is_open, failure[1])
    assert (katapult.methods, only_entry().outcome) == ("GET POST GET", outcome)
    assert entry.basis == ("" if is_open else Basis.EVIDENCE)


@pytest.mark.parametrize("name", SILENCE)
def test_an_unanswered_call_that_worked_succeeded_by_evidence(
    attempt: Attempt, katapult: Katapult, name: str
) -> None:
    def worked(request: httpx.Request) -> httpx.Response:
        katapult.land()
        answer = SILENCE[name]()
        if isinstance(answer, Exception):
            raise answer
        return answer

    katapult.posts.append(worked)
    entry = attempt()
    assert (entry.outcome, entry.basis, entry.is_open) == (
        Outcome.SUCCEEDED,
        Basis.EVIDENCE,
        False,
    )
    (reading,) = only_entry().evidence
    assert (reading["found"], reading["status"], reading["request_id"]) == (
        "unallocated",
        200,
        REQUEST_ID,
    )


@pytest.mark.parametrize("name", SILENCE)
def test_an_unanswered_call_that_did_not_land_yet_stays_open(
    attempt: Attempt, katapult: Katapult, name: str
) -> None:
    katapult.posts.append(SILENCE[name]())
    entry = attempt()
    assert (entry.outcome, entry.basis, entry.is_open) == (Outcome.UNKNOWN, "", True)
    assert (katapult.methods, len(katapult.sent)) == ("GET POST GET", 1)
    assert entry.evidence[0]["allocation_id"] == VM


@pytest.mark.parametrize(
    ("answer", "found", "code"),
    [
        (refusal(404, "ip_address_not_found"), "gone", "ip_address_not_found"),
        (refusal(403, "invalid_api_token"), "unreadable", "invalid_api_token"),
        (httpx.ReadTimeout("x"), "unreadable", "answer_lost"),
        (httpx.ConnectError("x"), "unreadable", "not_sent"),
        (html(), "unreadable", "unreadable_answer"),
        # A gateway's 404, and readings of something else: no proof that it is gone.
        (refusal(400, "ip_address_not_found"), "unreadable", "ip_address_not_found"),
        (reading_of(id="ip_other"), "unreadable", "unreadable_answer"),
        (reading_of(address="192.0.2.8"), "unreadable", "unreadable_answer"),
    ],
)
def test_a_reading_that_proves_nothing_is_kept_and_the_entry_stays_open(
    attempt: Attempt, katapult: Katapult, answer: Any, found: str, code: str
) -> None:
    katapult.posts.append(httpx.ReadTimeout("timed out"))
    katapult.reads.extend([katapult.usual, answer])
    entry = attempt()
    assert (entry.outcome, entry.is_open) == (Outcome.UNKNOWN, True)
    assert (entry.evidence[0]["found"], entry.evidence[0]["error_code"]) == (found, code)
