"""What each call asks for, and what stands in its Reply."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
import time_machine

from ipadmin.katapult.client import KatapultClient, is_loopback
from ipadmin.katapult.errors import KatapultError
from ipadmin.katapult.types import Exchange, Organization
from tests.katapult.shapes import (
    ACME,
    CALLS,
    IP,
    LIMITS,
    PAGE_ANSWER,
    TOKEN,
    Call,
    answering,
    client_for,
    unallocate,
)


class Recorder:
    """Answers every request alike and keeps it."""

    def __init__(self, body: Any, headers: dict[str, str] | None = None) -> None:
        self.requests: list[httpx.Request] = []
        self.body, self.headers = body, headers

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return httpx.Response(200, json=self.body, headers=self.headers)


@pytest.mark.parametrize(
    ("call", "method", "path", "query"),
    [
        ("user_organizations", "GET", "/core/v1/users/current", {}),
        ("organizations", "GET", "/core/v1/organizations", {}),
        (
            "ip_addresses",
            "GET",
            "/core/v1/organizations/organization/ip_addresses",
            {"organization[id]": ACME.id, "page": "1", "per_page": "200"},
        ),
        (
            "ip_address by id",
            "GET",
            "/core/v1/ip_addresses/ip_address",
            {"ip_address[id]": IP},
        ),
        (
            "ip_address by text",
            "GET",
            "/core/v1/ip_addresses/ip_address",
            {"ip_address[address]": "192.0.2.7"},
        ),
        ("unallocate", "POST", "/core/v1/ip_addresses/ip_address/unallocate", {}),
        ("allocate", "POST", "/core/v1/virtual_machines/virtual_machine/allocate_ip", {}),
        ("set_reverse_dns", "PATCH", "/core/v1/ip_addresses/ip_address", {}),
    ],
)
def test_each_call_asks_what_the_reference_says(
    call: str, method: str, path: str, query: dict[str, str]
) -> None:
    make, body = CALLS[call]
    recorder = Recorder(body)
    make(client_for(recorder), TOKEN)
    [request] = recorder.requests
    assert (request.method, request.url.path) == (method, path)
    assert dict(request.url.params) == query
    assert request.headers["Authorization"] == f"Bearer {TOKEN.reveal()}"
    assert request.headers["User-Agent"] == "ipadmin/1.2.3"
    assert request.headers["Accept-Encoding"] == "identity"


def test_a_list_can_be_read_by_sub_domain() -> None:
    recorder = Recorder(PAGE_ANSWER)
    acme = Organization(id="", name="", sub_domain="acme")
    client_for(recorder).ip_addresses(TOKEN, acme, page=3, per_page=50)
    assert dict(recorder.requests[0].url.params) == {
        "organization[sub_domain]": "acme",
        "page": "3",
        "per_page": "50",
    }


@pytest.mark.parametrize("url", ["http://k", "http://k/", "http://k/core/v1", "http://k/core/v1/"])
def test_the_url_may_stop_at_the_host(url: str) -> None:
    recorder = Recorder({})
    unallocate(client_for(recorder, url=url))
    asked = str(recorder.requests[0].url)
    assert asked == "http://k/core/v1/ip_addresses/ip_address/unallocate"


@pytest.mark.parametrize(("call", "body"), CALLS.values(), ids=CALLS)
def test_a_reply_keeps_what_is_known_of_the_answer(call: Call, body: Any) -> None:
    exchange = call(answering(body), TOKEN).exchange
    assert exchange.status == 200
    assert exchange.request_id == LIMITS["X-Request-Id"]
    assert (exchange.rate_limit_permitted, exchange.rate_limit_remaining) == (1000, 982)
    assert exchange.retry_after is None
    assert 0 <= exchange.duration < 5


@pytest.mark.parametrize(
    ("headers", "request_id", "remaining", "retry_after"),
    [
        ({}, None, None, None),
        ({"Retry-After": "7"}, None, None, 7.0),
        ({"Retry-After": "Fri, 14 Aug 2026 20:41:26 GMT"}, None, None, 26.0),
        ({"Retry-After": "Fri, 14 Aug 2026 20:40:26 GMT"}, None, None, 0.0),
        ({"Retry-After": "soon"}, None, None, None),
        ({"Retry-After": "Fri, 99 Aug 99999 20:41:26 GMT"}, None, None, None),
        ({"X-Ratelimit-Remaining": "0"}, None, 0, None),
        ({"X-Ratelimit-Permitted": "-1", "X-Ratelimit-Remaining": "9" * 5000}, None, None, None),
        ([("X-Ratelimit-Permitted", "1"), ("X-Ratelimit-Permitted", "2")], None, None, None),
        ({"X-Ratelimit-Permitted": "²"}, None, None, None),
        ({"X-Request-Id": "x" * 9000}, "x" * 64, None, None),
        ({"X-Request-Id": b"a\0b"}, "a\ufffdb", None, None),
        ({"X-Request-Id": b"\xff"}, "ÿ", None, None),
    ],
)
@time_machine.travel("2026-08-14T20:41:00Z", tick=False)
def test_headers_are_read_or_ignored(
    headers: Any, request_id: str | None, remaining: int | None, retry_after: float | None
) -> None:
    encoded = [
        (key, value.encode() if isinstance(value, str) else value)
        for key, value in (headers.items() if isinstance(headers, dict) else headers)
    ]
    exchange = unallocate(answering({}, headers=encoded)).exchange
    assert exchange.request_id == request_id
    assert exchange.rate_limit_remaining == remaining
    assert exchange.rate_limit_permitted is None
    assert exchange.retry_after == retry_after


def test_no_cookie_of_one_token_travels_with_another() -> None:
    recorder = Recorder({}, headers={"Set-Cookie": "session=1; Path=/"})
    client = client_for(recorder)
    unallocate(client)
    unallocate(client)
    assert "Cookie" not in recorder.requests[1].headers


def test_the_observer_is_told_of_each_exchange_as_it_was_returned() -> None:
    seen: list[tuple[Exchange, Exception | None]] = []
    replies = iter([httpx.Response(200, json={}), httpx.Response(503)])
    client = client_for(lambda _: next(replies), observe=lambda *told: seen.append(told))
    reply = unallocate(client)
    with pytest.raises(KatapultError) as caught:
        unallocate(client)
    assert seen == [(reply.exchange, None), (caught.value.exchange, caught.value)]


def test_an_observer_that_fails_changes_no_outcome(caplog: pytest.LogCaptureFixture) -> None:
    def observe(exchange: Exchange, error: Exception | None) -> None:
        raise RuntimeError("the log is full")

    client = client_for(lambda _: httpx.Response(200, json={}), observe=observe)
    assert unallocate(client).exchange.status == 200
    assert "observer" in caplog.text


def test_a_closed_client_makes_no_call() -> None:
    client = KatapultClient("http://k", user_agent="x")
    client.close()
    with pytest.raises(KatapultError):
        unallocate(client)


@pytest.mark.parametrize("call", ["user_organizations", "organizations"])
def test_organizations_are_read(call: str) -> None:
    call_it, body = CALLS[call]
    assert call_it(answering(body), TOKEN).value == (ACME,)


@pytest.mark.parametrize("body", [{"user": None}, {"user": {}, "organizations": None}])
def test_a_user_may_have_no_organizations(body: Any) -> None:
    assert answering(body).user_organizations(TOKEN).value == ()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://localhost:8000/core/v1", True),
        ("http://127.0.0.9", True),
        ("http://[::1]:1", True),
        ("https://api.katapult.io/core/v1", False),
        ("http://localhost.example.net", False),
        ("http://127.0.0.1@example.net", False),
        ("http://[::1", False),
        ("", False),
    ],
)
def test_loopback_is_this_machine_and_nothing_else(url: str, expected: bool) -> None:
    assert is_loopback(url) is expected


def test_an_address_is_unallocated_by_id_or_by_its_text() -> None:
    bodies: list[Any] = []

    def handler(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        return httpx.Response(200, json={})

    client = client_for(handler)
    client.unallocate(TOKEN, id=IP)
    client.unallocate(TOKEN, address="192.0.2.7")
    assert bodies == [{"ip_address": {"id": IP}}, {"ip_address": {"address": "192.0.2.7"}}]


@pytest.mark.parametrize("lookup", [{}, {"id": IP, "address": "192.0.2.7"}])
@pytest.mark.parametrize("call", ["ip_address", "unallocate"])
def test_an_address_is_named_in_exactly_one_way(call: str, lookup: dict[str, str]) -> None:
    client = client_for(lambda _: pytest.fail("was sent"))
    with pytest.raises(TypeError):
        getattr(client, call)(TOKEN, **lookup)


@pytest.mark.parametrize(
    "code", ["invalid_argument", "missing_required_argument", "ip_address_not_found"]
)
def test_a_probe_names_no_address_and_finds_the_scope(code: str) -> None:
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(400, json={"error": {"code": code}})

    assert client_for(answer).probe_unallocate(TOKEN).value is None
    assert [json.loads(request.content) for request in requests] == [{"ip_address": {}}]


@pytest.mark.parametrize("code", ["scope_not_granted", "rate_limit_reached", "permission_denied"])
def test_a_probe_without_the_scope(code: str) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(403, json={"error": {"code": code}})

    with pytest.raises(KatapultError) as caught:
        client_for(answer).probe_unallocate(TOKEN)
    assert caught.value.code == code
