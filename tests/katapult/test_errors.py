"""Every code in both envelopes, and everything that is an answer but not the API's."""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from ipadmin.katapult import call as call_module
from ipadmin.katapult.client import Timeouts
from ipadmin.katapult.errors import ErrorAnswer, KatapultError, UnreadableAnswer
from ipadmin.katapult.responses import MAX_DETAIL_LENGTH
from ipadmin.katapult.values import clean
from tests.katapult.shapes import CALLS, LIMITS, TOKEN, Call, answering, client_for, unallocate

CODES: list[tuple[int, str, Any]] = [
    (400, "missing_api_token", {}),
    (403, "unauthorized_network_for_api_token", {"ip_address": "192.0.2.1"}),
    (403, "invalid_api_token", {"details": "expired"}),
    (403, "invalid_capabilities_token", {}),
    (403, "scope_not_granted", {"scopes": ["ip_addresses"]}),
    (403, "permission_denied", {"details": "no"}),
    (403, "organization_suspended", {}),
    (403, "organization_not_activated", {}),
    (404, "ip_address_not_found", {}),
    (404, "organization_not_found", {}),
    (404, "virtual_machine_not_found", {}),
    (404, "no_user_associated_with_identity", {}),
    (404, "route_not_found", {}),
    (409, "resource_does_not_support_unallocation", {}),
    (422, "no_allocation", {}),
    (422, "validation_error", {"errors": ["Label can't be blank"]}),
    (422, "validation_error", {"errors": "Label can't be blank"}),
    (400, "invalid_argument", {}),
    (400, "missing_required_argument", {}),
    (400, "invalid_json_body", {}),
    (429, "rate_limit_reached", {"total_permitted": 1000}),
    (503, "service_unavailable", {}),
    (500, "unhandled_exception", {}),
    (418, "a_code_nobody_knows", {"new": [1, {"x": None}]}),
]


def failed(body: Any, status: int = 422, headers: Any = None) -> KatapultError:
    with pytest.raises(KatapultError) as caught:
        unallocate(answering(body, status, headers))
    return caught.value


@pytest.mark.parametrize(("status", "code", "detail"), CODES)
def test_every_code_is_read(status: int, code: str, detail: Any) -> None:
    error = {"code": code, "description": "Why.", "detail": detail}
    problem = failed({"error": error}, status)
    assert isinstance(problem, ErrorAnswer)
    assert (problem.code, problem.description, problem.detail) == (code, "Why.", detail)
    assert str(problem) == f"{code}: Why."
    assert problem.exchange.status == status
    assert problem.exchange.request_id == LIMITS["X-Request-Id"]
    assert problem.is_definite is (status < 500 and status != 418)


@pytest.mark.parametrize(("status", "code"), [(403, "scope_not_granted"), (418, "new"), (503, "x")])
def test_an_error_that_is_not_wrapped_is_read_alike(status: int, code: str) -> None:
    error = {"code": code, "description": "Why.", "detail": {"scopes": ["a"]}}
    flat, wrapped = failed(error, status), failed({"error": error}, status)
    assert isinstance(flat, ErrorAnswer)
    assert isinstance(wrapped, ErrorAnswer)
    assert (flat.code, flat.description, flat.detail) == (code, "Why.", error["detail"])
    assert flat.is_definite is wrapped.is_definite is (status == 403)


@pytest.mark.parametrize(("call", "body"), CALLS.values(), ids=CALLS)
def test_the_code_decides_before_the_status_in_every_call(call: Call, body: Any) -> None:
    for status in (200, 204, 302, 404, 422, 500):
        with pytest.raises(ErrorAnswer) as caught:
            call(answering(body | {"error": {"code": "no_allocation"}}, status), TOKEN)
        assert caught.value.is_definite is (status == 422)


def test_an_error_without_description_and_rate_limit_is_read() -> None:
    error: Any = {"code": "unhandled_exception", "description": None, "detail": {}}
    problem = failed({"error": error}, 500, {"X-Request-Id": "r"})
    assert isinstance(problem, ErrorAnswer)
    assert (str(problem), problem.description) == ("unhandled_exception", "")
    assert (problem.exchange.request_id, problem.exchange.rate_limit_permitted) == ("r", None)


@pytest.mark.parametrize(
    ("changes", "description", "detail"),
    [
        ({}, "", {}),
        ({"description": 7, "detail": None}, "7", {}),
        ({"description": ["a"], "detail": ["b"]}, '["a"]', {"value": ["b"]}),
        ({"description": "a\0\ud800", "detail": "c\0"}, "a\ufffd?", {"value": "c\ufffd"}),
        ({"description": "x" * 2000, "detail": 0}, "x" * 1000, {"value": 0}),
        (
            {"detail": {"a\0": [float("inf"), 2**60, -0.5]}},
            "",
            {"a\ufffd": ["inf", str(2**60), -0.5]},
        ),
        ({"detail": {"a": {"b": {"c": {"d": 1}}}}}, "", {"a": {"b": {"c": {"d": 1}}}}),
        ({"detail": {"a": {"b": {"c": {"d": {"e": 1}}}}}}, "", {"a": {"b": {"c": {"d": "…"}}}}),
    ],
)
def test_an_error_of_any_shape_is_kept_as_something_storable(
    changes: dict[str, Any], description: str, detail: Any
) -> None:
    problem = failed({"error": {"code": "x"} | changes})
    assert isinstance(problem, ErrorAnswer)
    assert (problem.description, problem.detail) == (description, detail)


def test_a_huge_detail_is_cut() -> None:
    problem = failed({"code": "x" * 999, "detail": [["y" * 999] * 40] * 40})
    assert isinstance(problem, ErrorAnswer)
    assert problem.code == "x" * 100
    assert len(str(problem.detail["cut"])) < MAX_DETAIL_LENGTH
    assert clean(list(range(9999))) == list(range(50))
    assert clean({str(n): n for n in range(9999)}) == {str(n): n for n in range(50)}


@pytest.mark.parametrize("error", ["boom", ["boom"], {"message": "boom"}, {"code": 7}, 1, True])
def test_an_error_without_a_code_is_never_a_success(error: Any) -> None:
    assert isinstance(failed({"error": error}, 200), UnreadableAnswer)


def test_a_flat_code_that_is_no_text_is_never_a_success() -> None:
    assert isinstance(failed({"code": 500}, 200), UnreadableAnswer)


def test_a_flat_code_is_found_beside_an_error_without_one() -> None:
    assert failed({"error": "x", "code": "no_allocation"}).code == "no_allocation"


UNREADABLE = {
    "empty": b"",
    "blank": b" \r\n",
    "html": b"<html><h1>502 Bad Gateway</h1></html>",
    "truncated": b'{"error": {"code": "no_al',
    "deep": b"[" * 100_000,
    "deep but whole": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "a huge number": b"9" * 100_000,
    "half a UTF-16": b"\xff\xfe{",
    "not UTF-8": b'{"a": "\xff"}',
    "NUL": b"\0",
    "two values": b"{}{}",
}


@pytest.mark.parametrize(
    ("status", "content"),
    [
        *((200, content) for content in UNREADABLE.values()),
        *((status, UNREADABLE["html"]) for status in (204, 304, 403, 502)),
    ],
    ids=[*UNREADABLE, "html 204", "html 304", "html 403", "html 502"],
)
def test_bytes_that_are_no_json_are_unreadable(status: int, content: bytes) -> None:
    problem = failed(content, status)
    assert isinstance(problem, UnreadableAnswer)
    assert problem.code == "unreadable_answer"
    assert problem.exchange.status == status
    assert not problem.is_definite


@pytest.mark.parametrize("status", [100, 199, 300, 404, 599])
def test_a_value_under_a_status_that_is_no_success_is_unreadable(status: int) -> None:
    assert isinstance(failed({}, status), UnreadableAnswer)


@pytest.mark.parametrize("location", ["http://elsewhere.test/", "http://[", "☃"])
def test_no_redirect_is_followed(location: str) -> None:
    asked: list[httpx.URL] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.url)
        return httpx.Response(307, headers=[(b"Location", location.encode())])

    with pytest.raises(UnreadableAnswer) as caught:
        unallocate(client_for(handler))
    assert caught.value.exchange.status == 307
    assert len(asked) == 1


@pytest.mark.parametrize("encoding", ["gzip", "gzip, gzip", "?"])
def test_a_compressed_answer_is_refused_before_it_is_decompressed(encoding: str) -> None:
    bomb = gzip.compress(b" " * 10_000_000)
    problem = failed(bomb, 200, {"Content-Encoding": encoding})
    assert isinstance(problem, UnreadableAnswer)
    assert "compressed" in problem.reason


def streaming(chunks: Iterator[bytes], timeouts: Timeouts | None = None) -> KatapultError:
    client = client_for(lambda _: httpx.Response(200, content=chunks), timeouts=timeouts)
    with pytest.raises(KatapultError) as caught:
        unallocate(client)
    return caught.value


def test_an_endless_answer_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_module, "MAX_ANSWER_BYTES", 1000)
    problem = streaming(itertools.repeat(b" " * 100))
    assert isinstance(problem, UnreadableAnswer)
    assert "too large" in problem.reason


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (408, "request_timeout"),
        (499, "client_closed_request"),
        (409, "no_allocation"),
        (422, "invalid_api_token"),
        (422, "an_unknown_code"),
        (500, "no_allocation"),
    ],
)
def test_a_code_under_another_status_than_its_own_proves_nothing(status: int, code: str) -> None:
    assert not failed({"error": {"code": code}}, status).is_definite
