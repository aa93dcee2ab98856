"""One attempt, from its entry to its outcome: what may be called when, and what is said of it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.db import Error, InterfaceError, OperationalError
from django.db.models import QuerySet
from django.utils import timezone
from structlog.testing import capture_logs

from ipadmin.audit import entries
from ipadmin.katapult.types import Allocation, IPAddress
from ipadmin.models import ApiToken, AuditEntry, Basis, Outcome
from ipadmin.models.audit_entry import keys_of
from ipadmin.services import api, inventory
from ipadmin.services.confirmation import Confirmation
from ipadmin.services.unallocate import (
    AuditUnavailable,
    Circumstances,
    OutcomeNotWritten,
    find_attempt,
    unallocate,
)
from tests.history import keep
from tests.services.conftest import Attempt
from tests.services.katapult import ADDRESS, IP, OTHER_VM, REQUEST_ID, VM, Katapult, html, refusal

pytestmark = pytest.mark.django_db

# Every 4xx of the API page: (status, code, detail).
NO = [
    (400, "missing_api_token", {}),
    (403, "unauthorized_network_for_api_token", {"ip_address": "203.0.113.9"}),
    (403, "invalid_api_token", {"details": "expired"}),
    (403, "invalid_capabilities_token", {}),
    (403, "scope_not_granted", {"scopes": ["ip_addresses"]}),
    (403, "permission_denied", {"details": "no"}),
    (403, "organization_suspended", {}),
    (403, "organization_not_activated", {}),
    (404, "ip_address_not_found", {}),
    (404, "organization_not_found", {}),
    (404, "route_not_found", {}),
    (409, "resource_does_not_support_unallocation", {}),
    (422, "no_allocation", {}),
    (422, "validation_error", {"errors": ["is locked"]}),
    (422, "validation_error", {"errors": "is locked"}),
    (400, "invalid_argument", {}),
    (400, "missing_required_argument", {}),
    (400, "invalid_json_body", {}),
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
    "reset": lambda: httpx.ReadError("reset"),
    "broken off while sending": lambda: httpx.WriteError("broken pipe"),
    "no protocol": lambda: httpx.RemoteProtocolError("disconnected"),
    "HTML": html,
    "HTML as a success": lambda: html(200),
    "empty": lambda: httpx.Response(200),
    "empty 204": lambda: httpx.Response(204),
    "truncated": lambda: httpx.Response(200, content=b'{"error":{"co'),
    "a list": lambda: httpx.Response(200, json=[]),
    "a redirect": lambda: httpx.Response(302, headers={"Location": "http://elsewhere.test/"}),
    "a proxy's 429": lambda: html(429),
    "JSON without a code": lambda: httpx.Response(400, json={"message": "no"}),
}


def reading_of(**other: str) -> httpx.Response:
    """An answer about another address, which is not allocated."""
    katapult = Katapult()
    katapult.holder, katapult.more = None, other
    return httpx.Response(200, json=katapult.body())


def only_entry() -> AuditEntry:
    return AuditEntry.objects.get()


# What is kept


def test_success_keeps_everything(
    token: ApiToken, confirmed: Confirmation, katapult: Katapult
) -> None:
    before = timezone.now()
    circumstances = Circumstances(token.owner, token, "moved", "192.0.2.99", "request-1")
    entry = unallocate(confirmed, circumstances)
    kept: dict[str, Any] = dict(AuditEntry.objects.values().get())
    moments = [kept.pop(name) for name in ("created_at", "sent_at", "finished_at")]
    moments = [before, *moments, timezone.now()]
    assert moments == sorted(moments)
    assert kept.pop("id") == entry.id
    assert 0 <= kept.pop("duration") < 5
    keys = {name: kept.pop(name) for name in [*kept] if name.endswith("_key")}
    assert keys == keys_of(kept)
    assert kept == {
        "attempt_id": confirmed.attempt_id,
        "action": "unallocate",
        "outcome": "succeeded",
        "basis": "answer",
        "user_id": token.owner.pk,
        "user_name": "alice",
        "source_ip": "192.0.2.99",
        "request_id": "request-1",
        "reason": "moved",
        "token_id": token.id,
        "token_label": "Live",
        "token_fingerprint": token.fingerprint,
        "organization_id": "org_1",
        "organization_name": "Acme",
        "organization_sub_domain": "acme",
        "environment": "sandbox",
        "api_url": "http://127.0.0.1:9",
        "address_id": IP,
        "address": ADDRESS,
        "address_label": "shop",
        "vip": False,
        "reverse_dns": "web-01.example.net",
        "allocation_id": VM,
        "allocation_type": "VirtualMachine",
        "allocation_name": "web-01",
        "http_status": 200,
        "error_code": "",
        "error_description": "",
        "error_detail": {},
        "katapult_request_id": REQUEST_ID,
        "rate_limit_permitted": 1000,
        "rate_limit_remaining": 982,
        "evidence": [],
        "competing_attempts": [],
    }


def test_the_entry_returned_is_the_entry_kept(attempt: Attempt, katapult: Katapult) -> None:
    entry, kept = attempt(), only_entry()
    for field in AuditEntry._meta.concrete_fields:
        assert getattr(entry, field.name) == getattr(kept, field.name), field.name


def test_one_read_then_one_call_by_id(attempt: Attempt, katapult: Katapult) -> None:
    attempt()
    assert katapult.methods == "GET POST"
    assert katapult.sent[0].url.path == "/core/v1/ip_addresses/ip_address/unallocate"
    assert katapult.sent[0].content == b'{"ip_address":{"id":"%s"}}' % IP.encode()


def test_what_will_be_lost_is_kept_as_it_was_at_the_last_moment(
    attempt: Attempt, katapult: Katapult
) -> None:
    katapult.more = {"reverse_dns": "renamed.example.net", "vip": True}
    attempt()
    assert (only_entry().reverse_dns, only_entry().vip) == ("renamed.example.net", True)


@pytest.mark.usefixtures("katapult")
def test_what_was_deleted_stays_in_the_history(attempt: Attempt, token: ApiToken) -> None:
    attempt()
    token.owner.delete()
    assert (only_entry().user_name, only_entry().token_label) == ("alice", "Live")


def test_the_list_is_read_anew_after_an_attempt(
    attempt: Attempt, token: ApiToken, katapult: Katapult, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten: list[ApiToken] = []
    monkeypatch.setattr(inventory, "forget", forgotten.append)
    katapult.posts.append(html())
    attempt()
    assert forgotten == [token]


# What Katapult can answer


@pytest.mark.parametrize(("status", "code", "detail"), NO)
def test_a_no_is_failed(
    attempt: Attempt, katapult: Katapult, status: int, code: str, detail: dict[str, Any]
) -> None:
    katapult.posts.append(refusal(status, code, detail))
    entry = attempt()
    assert (entry.outcome, entry.basis, entry.is_open) == (Outcome.FAILED, Basis.ANSWER, False)
    assert (entry.http_status, entry.error_code, entry.error_detail) == (status, code, detail)
    assert (entry.error_description, entry.katapult_request_id) == ("Why", REQUEST_ID)
    assert (katapult.methods, only_entry().outcome) == ("GET POST", Outcome.FAILED)


def test_a_flat_error_is_read_as_well(attempt: Attempt, katapult: Katapult) -> None:
    katapult.posts.append(httpx.Response(422, json={"code": "no_allocation", "description": None}))
    assert (attempt().error_code, only_entry().outcome) == ("no_allocation", Outcome.FAILED)


@pytest.mark.parametrize("failure", FAILING + FOREIGN)
@pytest.mark.parametrize(
    "reading",
    [
        (VM, Outcome.UNKNOWN, True),
        (None, Outcome.SUCCEEDED, False),
        (OTHER_VM, Outcome.UNKNOWN, True),
    ],
)
def test_after_an_answer_that_is_not_definite_a_reading_decides(
    attempt: Attempt,
    katapult: Katapult,
    failure: tuple[int, str],
    reading: tuple[str | None, Outcome, bool],
) -> None:
    holder, outcome, is_open = reading

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


# When nothing is called


@pytest.mark.parametrize(
    ("holder", "code"), [(OTHER_VM, "allocation_changed"), (None, "already_unallocated")]
)
def test_only_what_was_confirmed_is_acted_on(
    attempt: Attempt, katapult: Katapult, holder: str | None, code: str
) -> None:
    katapult.holder = holder
    entry = attempt()
    assert (entry.outcome, entry.basis, entry.error_code) == (Outcome.REFUSED, Basis.CHECK, code)
    assert (katapult.methods, entry.sent_at, entry.is_open) == ("GET", None, False)
    assert entry.error_detail["confirmed"]["allocation_id"] == VM
    found = entry.error_detail["found"]
    assert (found and found["allocation_id"]) == holder


@pytest.mark.parametrize(
    ("answer", "code"),
    [(refusal(status, code), code) for status, code, _ in NO]
    + [(refusal(status, code), code) for status, code in FAILING]
    + [
        (httpx.ReadTimeout("x"), "answer_lost"),
        (httpx.ConnectError("x"), "not_sent"),
        (html(), "unreadable_answer"),
        (httpx.PoolTimeout("x"), "no_free_connection"),
        (httpx.Response(200, json={"ip_address": {"id": IP}}), "unreadable_answer"),
        (reading_of(id="ip_other"), "unreadable_answer"),
        (reading_of(address="192.0.2.8"), "unreadable_answer"),
    ],
)
def test_what_cannot_be_read_again_is_refused(
    attempt: Attempt, katapult: Katapult, answer: Any, code: str
) -> None:
    katapult.reads.append(answer)
    entry = attempt()
    assert (entry.outcome, entry.basis, entry.error_code) == (Outcome.REFUSED, Basis.CHECK, code)
    assert (katapult.methods, only_entry().sent_at) == ("GET", None)


def test_a_machine_is_known_by_its_id(
    attempt: Attempt, katapult: Katapult, confirmed: Confirmation, seen: IPAddress
) -> None:
    """Its type is not in every answer, and its name may change."""
    held = replace(confirmed, ip=replace(seen, allocation=Allocation(VM, None, "old-name")))
    assert attempt(held).outcome == Outcome.SUCCEEDED


def test_machines_without_an_id_are_told_apart_by_name(
    attempt: Attempt, katapult: Katapult, confirmed: Confirmation, seen: IPAddress
) -> None:
    katapult.more = {"allocation_id": None}
    nameless = httpx.Response(
        200,
        json={
            "ip_address": katapult.body()["ip_address"],
            "allocation": {"type": "VirtualMachine", "value": {"name": "db-01"}},
        },
    )
    katapult.reads.append(nameless)
    held = replace(confirmed, ip=replace(seen, allocation=Allocation("", "VirtualMachine", "web")))
    assert (attempt(held).outcome, katapult.methods) == (Outcome.REFUSED, "GET")


def test_a_token_that_cannot_be_opened_is_refused(
    attempt: Attempt, token: ApiToken, katapult: Katapult
) -> None:
    token.encrypted_secret = b"\x01moved from another row"
    entry = attempt()
    assert (entry.outcome, entry.error_code) == (Outcome.REFUSED, "token_unreadable")
    assert katapult.requests == []


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (httpx.ConnectError("no"), "not_sent"),
        (httpx.ConnectTimeout("no"), "not_sent"),
        (httpx.PoolTimeout("no"), "no_free_connection"),
    ],
)
def test_a_call_that_never_left_is_refused(
    attempt: Attempt, katapult: Katapult, error: Exception, code: str
) -> None:
    katapult.posts.append(error)
    entry = attempt()
    assert (entry.outcome, entry.error_code) == (Outcome.REFUSED, code)
    assert (only_entry().sent_at, katapult.methods) == (None, "GET POST")


def test_the_token_keeps_how_it_failed(attempt: Attempt, katapult: Katapult) -> None:
    katapult.posts.append(refusal(403, "invalid_api_token"))
    attempt()
    assert ApiToken.objects.get().last_error_code == "invalid_api_token"


# Competing attempts


def before(**fields: Any) -> str:
    """The id of an attempt of bob's on the same address."""
    now = timezone.now()
    usual = {"user_name": "bob", "sent_at": now, "created_at": now, "address_id": IP}
    return str(keep(**usual | fields).attempt_id)


FAILED_BY_EVIDENCE = {"outcome": Outcome.FAILED, "basis": Basis.EVIDENCE}
COMPETING = [
    ({"outcome": Outcome.UNKNOWN, "finished_at": None}, True),
    ({"outcome": Outcome.UNKNOWN}, True),
    (FAILED_BY_EVIDENCE, True),
    ({"outcome": Outcome.SUCCEEDED}, True),
    ({"outcome": Outcome.FAILED}, False),
    ({"outcome": Outcome.REFUSED, "sent_at": None}, False),
    ({"outcome": Outcome.SUCCEEDED, "address_id": "ip_other"}, False),
]


@pytest.mark.parametrize(("fields", "is_named"), COMPETING)
def test_who_may_have_been_faster_is_named(
    attempt: Attempt, katapult: Katapult, fields: dict[str, Any], is_named: bool
) -> None:
    other = before(**fields)
    katapult.holder = None
    entry = attempt()
    assert entry.error_code == "already_unallocated"
    assert entry.competing_attempts == ([other] if is_named else [])


def test_what_succeeded_before_the_address_was_confirmed_is_not_named(
    attempt: Attempt, katapult: Katapult, confirmed: Confirmation
) -> None:
    before()
    katapult.holder = None
    assert attempt(replace(confirmed, read_since=timezone.now())).competing_attempts == []


def test_who_may_have_been_faster_than_the_call_is_named(
    attempt: Attempt, katapult: Katapult
) -> None:
    other = before(**FAILED_BY_EVIDENCE)
    katapult.posts.append(refusal(422, "no_allocation"))
    assert attempt().competing_attempts == [other]


# One attempt, one call


def test_the_same_attempt_again_is_only_shown(attempt: Attempt, katapult: Katapult) -> None:
    first, again = attempt(), attempt()
    assert (first.pk, len(katapult.sent)) == (again.pk, 1)
    assert find_attempt(first.attempt_id) == first


def test_an_attempt_under_way_is_only_shown(
    attempt: Attempt, katapult: Katapult, confirmed: Confirmation
) -> None:
    shown: list[AuditEntry] = []

    def click_again(_: httpx.Request) -> httpx.Response:
        shown.append(attempt())
        return katapult.land()

    katapult.posts.append(click_again)
    attempt()
    assert (shown[0].outcome, len(katapult.sent)) == (Outcome.PENDING, 1)


def test_no_such_attempt() -> None:
    assert find_attempt(uuid.uuid4()) is None


# When the database fails


def failing(error: Error) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


@pytest.mark.parametrize("error", [OperationalError("locked"), InterfaceError("closed")])
def test_no_entry_no_call(
    attempt: Attempt, katapult: Katapult, monkeypatch: pytest.MonkeyPatch, error: Error
) -> None:
    monkeypatch.setattr(AuditEntry, "save", failing(error))
    with capture_logs() as logs, pytest.raises(AuditUnavailable):
        attempt()
    assert katapult.requests == []
    assert "audit_entry_not_written" in [line["event"] for line in logs]


@pytest.mark.parametrize("error", [OperationalError("locked"), InterfaceError("closed")])
def test_no_moment_of_sending_no_call(
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


@pytest.mark.parametrize("error", [OperationalError("locked"), InterfaceError("closed")])
@pytest.mark.parametrize("answer", [None, refusal(422, "no_allocation"), html()])
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
    assert "answer_after_the_end" in [line["event"] for line in logs]


def test_what_was_closed_as_never_sent_is_not_sent(attempt: Attempt, katapult: Katapult) -> None:
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


def test_a_look_that_the_database_made_old_is_taken_again(
    attempt: Attempt, katapult: Katapult, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address went elsewhere while the moment of sending waited to be written."""

    def moved(_: httpx.Request) -> httpx.Response:
        first = httpx.Response(200, json=katapult.body())
        katapult.holder = OTHER_VM
        return first

    monkeypatch.setattr("ipadmin.services.unallocate.OLDEST_LOOK", -1.0)
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
