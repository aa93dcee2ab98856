"""An attempt whose entry cannot be written, or was finished in the meantime."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.db import Error, InterfaceError, OperationalError
from django.db.models import QuerySet
from django.utils import timezone
from structlog.testing import capture_logs

from ipadmin.audit import entries
from ipadmin.models import ApiToken, AuditEntry, Basis, Outcome
from ipadmin.services import api
from ipadmin.services.attempt import (
    AuditUnavailable,
    OutcomeNotWritten,
)
from tests.services.attempts import only_entry
from tests.services.conftest import Attempt
from tests.services.katapult import OTHER_VM, REQUEST_ID, Katapult, html, refusal

pytestmark = pytest.mark.django_db


def failing(error: Error) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


# When the database fails


@pytest.mark.parametrize("error", [OperationalError("locked"), InterfaceError("closed")])
def test_without_an_entry_nothing_is_called(
    attempt: Attempt, katapult: Katapult, monkeypatch: pytest.MonkeyPatch, error: Error
) -> None:
    monkeypatch.setattr(AuditEntry, "save", failing(error))
    with capture_logs() as logs, pytest.raises(AuditUnavailable):
        attempt()
    assert katapult.requests == []
    assert "audit_entry_not_written" in [line["event"] for line in logs]


@pytest.mark.parametrize("error", [OperationalError("locked"), InterfaceError("closed")])
def test_without_a_written_sent_at_nothing_is_called(
    attempt: Attempt, katapult: Katapult, monkeypatch: pytest.MonkeyPatch, error: Error
) -> None:
    def break_the_database(request: httpx.Request) -> httpx.Response:
        monkeypatch.setattr(QuerySet, "update", failing(error))
        return katapult.usual(request)

    katapult.reads.append(break_the_database)
    with pytest.raises(AuditUnavailable):
        attempt()
    assert katapult.methods == "GET"
    assert (only_entry().outcome, only_entry().sent_at) == (Outcome.PENDING, None)


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (OperationalError("locked"), None),
        (InterfaceError("closed"), refusal(422, "no_allocation")),
        (OperationalError("locked"), html()),
    ],
)
def test_an_outcome_that_cannot_be_written_is_logged_and_left_pending(
    attempt: Attempt,
    katapult: Katapult,
    monkeypatch: pytest.MonkeyPatch,
    error: Error,
    answer: httpx.Response | None,
) -> None:
    def break_the_database(request: httpx.Request) -> httpx.Response:
        monkeypatch.setattr(QuerySet, "update", failing(error))
        return answer or katapult.land()

    katapult.posts.append(break_the_database)
    with capture_logs() as logs, pytest.raises(OutcomeNotWritten) as caught:
        attempt()
    monkeypatch.undo()
    entry = only_entry()
    assert (entry, entry.outcome) == (caught.value.entry, Outcome.PENDING)
    assert entry.sent_at
    (line,) = [line for line in logs if line["event"] == "outcome_not_written"]
    assert (line["attempt_id"], line["http_status"]) == (
        str(entry.attempt_id),
        str(answer.status_code if answer else 200),
    )
    assert line["katapult_request_id"] in {REQUEST_ID, ""}


def test_a_reading_that_cannot_be_written_leaves_the_entry_open(
    attempt: Attempt, katapult: Katapult, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_the_database(request: httpx.Request) -> httpx.Response:
        monkeypatch.setattr(entries, "lock", failing(OperationalError("locked")))
        return katapult.usual(request)

    katapult.posts.append(html())
    katapult.reads.extend([katapult.usual, break_the_database])
    entry = attempt()
    assert (entry.outcome, entry.is_open, entry.evidence) == (Outcome.UNKNOWN, True, [])


# Finished means finished


@pytest.mark.parametrize("answer", [None, refusal(422, "no_allocation"), httpx.ReadTimeout("x")])
def test_a_finished_entry_is_not_changed_by_a_late_answer(
    attempt: Attempt, katapult: Katapult, answer: Any
) -> None:
    finished = timezone.now() - timedelta(seconds=5)

    def reconcile_meanwhile(request: httpx.Request) -> httpx.Response:
        AuditEntry.objects.update(
            outcome=Outcome.UNKNOWN, basis=Basis.EVIDENCE, finished_at=finished
        )
        if isinstance(answer, Exception):
            raise answer
        return answer or katapult.land()

    katapult.posts.append(reconcile_meanwhile)
    with capture_logs() as logs:
        entry = attempt()
    assert (entry.outcome, entry.finished_at) == (Outcome.UNKNOWN, finished)
    assert (only_entry().http_status, only_entry().error_code) == (None, "")
    assert "entry_already_finished" in [line["event"] for line in logs]


def test_an_entry_closed_as_never_sent_is_not_sent(attempt: Attempt, katapult: Katapult) -> None:
    def close_meanwhile(request: httpx.Request) -> httpx.Response:
        AuditEntry.objects.update(
            outcome=Outcome.REFUSED, error_code="interrupted", finished_at=timezone.now()
        )
        return katapult.usual(request)

    katapult.reads.append(close_meanwhile)
    entry = attempt()
    assert (katapult.methods, entry.error_code) == ("GET", "interrupted")


def test_the_use_of_a_token_is_noted_at_most_once_a_minute(
    token: ApiToken, django_assert_num_queries: Any
) -> None:
    with api.using(token), django_assert_num_queries(0):
        pass
    assert token.used_at


def test_an_address_read_too_long_ago_is_read_again(
    attempt: Attempt, katapult: Katapult, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address went elsewhere while the moment of sending waited to be written."""

    def moved(_: httpx.Request) -> httpx.Response:
        first = httpx.Response(200, json=katapult.body())
        katapult.holder = OTHER_VM
        return first

    monkeypatch.setattr("ipadmin.services.attempt.MAX_READING_AGE_SECONDS", -1.0)
    katapult.reads.append(moved)
    attempt()
    entry = only_entry()
    assert (entry.outcome, entry.error_code) == (Outcome.REFUSED, "allocation_changed")
    assert entry.sent_at is None
    assert not katapult.sent


def test_a_call_that_begins_too_late_is_not_made(
    attempt: Attempt, katapult: Katapult, settings: Any
) -> None:
    """The process stood still between recording `sent_at` and the call."""
    settings.KATAPULT_TIMEOUTS = settings.KATAPULT_TIMEOUTS | {"total": -1}
    attempt()
    entry = only_entry()
    assert (entry.outcome, entry.error_code) == (Outcome.REFUSED, "interrupted")
    assert (entry.sent_at, katapult.methods) == (None, "GET")
