"""One attempt: what is kept, when nothing is called, and competing attempts."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

import httpx
import pytest
from django.utils import timezone

from ipadmin.katapult.types import Allocation, IPAddress
from ipadmin.models import ApiToken, AuditEntry, Basis, Outcome
from ipadmin.models.audit_entry import keys_of
from ipadmin.services.attempt import (
    Circumstances,
    carry_out,
    find_attempt,
)
from ipadmin.services.confirmation import Confirmation
from tests.history import keep
from tests.services.attempts import only_entry, reading_of
from tests.services.conftest import Attempt
from tests.services.katapult import ADDRESS, IP, OTHER_VM, REQUEST_ID, VM, Katapult, html, refusal

pytestmark = pytest.mark.django_db


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


# What is kept


def test_a_success_keeps_every_field(
    token: ApiToken, confirmed: Confirmation, katapult: Katapult
) -> None:
    before = timezone.now()
    circumstances = Circumstances(token.owner, token, "moved", "192.0.2.99", "request-1")
    entry = carry_out(confirmed.change, circumstances)
    kept: dict[str, Any] = dict(AuditEntry.objects.values().get())
    moments = [kept.pop(name) for name in ("created_at", "sent_at", "finished_at")]
    moments = [before, *moments, timezone.now()]
    assert moments == sorted(moments)
    assert kept.pop("id") == entry.id
    assert 0 <= kept.pop("duration_us") < 5_000_000
    keys = {name: kept.pop(name) for name in [*kept] if name.endswith("_key")}
    assert keys == keys_of(kept)
    assert kept == {
        "attempt_id": confirmed.attempt_id,
        "format": 2,
        "action": "unallocate",
        "undoes": None,
        "run_id": None,
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
        "last_of_family": False,
        "reverse_dns": "web-01.example.net",
        "requested_reverse_dns": "",
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
def test_a_deleted_user_and_token_stay_in_the_entry(attempt: Attempt, token: ApiToken) -> None:
    attempt()
    token.owner.delete()
    assert (only_entry().user_name, only_entry().token_label) == ("alice", "Live")


# When nothing is called


@pytest.mark.parametrize(
    ("holder", "code"), [(OTHER_VM, "allocation_changed"), (None, "already_unallocated")]
)
def test_an_allocation_other_than_the_confirmed_one_is_refused(
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
    [
        (refusal(403, "invalid_api_token"), "invalid_api_token"),
        (refusal(404, "ip_address_not_found"), "ip_address_not_found"),
        (refusal(503, "service_unavailable"), "service_unavailable"),
        (httpx.ReadTimeout("x"), "answer_lost"),
        (httpx.ConnectError("x"), "not_sent"),
        (html(), "unreadable_answer"),
        (httpx.PoolTimeout("x"), "no_free_connection"),
        (httpx.Response(200, json={"ip_address": {"id": IP}}), "unreadable_answer"),
        (reading_of(id="ip_other"), "unreadable_answer"),
        (reading_of(address="192.0.2.8"), "unreadable_answer"),
    ],
)
def test_an_address_that_cannot_be_read_again_is_refused(
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


def test_a_failed_attempt_sets_the_last_error_of_its_token(
    attempt: Attempt, katapult: Katapult
) -> None:
    katapult.posts.append(refusal(403, "invalid_api_token"))
    attempt()
    assert ApiToken.objects.get().last_error_code == "invalid_api_token"


# Competing attempts


@pytest.mark.parametrize(("fields", "is_named"), COMPETING)
def test_an_attempt_that_may_have_been_faster_is_named(
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


def test_an_attempt_that_may_have_been_faster_than_the_call_is_named(
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


def test_an_unknown_attempt_is_not_found() -> None:
    assert find_attempt(uuid.uuid4()) is None
