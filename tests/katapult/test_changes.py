"""The calls that change something: their bodies, their answers, and that none is sent twice."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import httpx
import pytest

from ipadmin.katapult.errors import ErrorAnswer, KatapultError, UnreadableAnswer, kept_until
from ipadmin.katapult.types import AccessToken, Allocation, Secret
from tests.katapult.shapes import CALLS, CHANGES, FREE, IP, READ, TOKEN, VM, answering, client_for
from tests.katapult.test_secrets import PLANTED, printed, quoting
from tests.katapult.test_wire import OK, saying, serving

OTHER = "ip_0000000000000002"
NAME = "mail.example.net"
TRASH = {"id": "trsh_1", "keep_until": 1_800_000_000, "object_id": VM, "object_type": "x"}
each_change = pytest.mark.parametrize("name", CHANGES)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("allocate", {"virtual_machine": {"id": VM}, "ip_address": {"id": IP}}),
        ("set_reverse_dns", {"ip_address": {"id": IP}, "reverse_dns": "web.example.net"}),
    ],
)
def test_a_change_names_what_it_changes_by_id(name: str, expected: object) -> None:
    bodies: list[object] = []

    def handler(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        return httpx.Response(200, json=CALLS[name][1])

    CALLS[name][0](client_for(handler), TOKEN)
    assert bodies == [expected]


def test_the_address_is_returned_as_it_is_afterwards() -> None:
    client = answering({"ip_address": READ})
    assert client.allocate(TOKEN, VM, id=IP).value.allocation == Allocation(VM, "VirtualMachine")
    renamed = client.set_reverse_dns(TOKEN, id=IP, reverse_dns="WEB.example.net.")
    assert renamed.value.reverse_dns == "web.example.net"


@pytest.mark.parametrize("answer", [{"id": OTHER}, {"address": "192.0.2.8"}])
def test_an_answer_about_another_address_is_unreadable(answer: dict[str, str]) -> None:
    client = answering({"ip_address": READ | answer})
    with pytest.raises(UnreadableAnswer, match="another address"):
        client.allocate(TOKEN, VM, id=IP, known_address="192.0.2.7")
    with pytest.raises(UnreadableAnswer, match="another address"):
        client.set_reverse_dns(
            TOKEN, id=IP, reverse_dns="web.example.net", known_address="192.0.2.7"
        )


@pytest.mark.parametrize("answer", [FREE, READ | {"allocation_id": "vm_0000000000000002"}])
def test_an_answer_about_another_allocation_is_unreadable(answer: dict[str, object]) -> None:
    with pytest.raises(UnreadableAnswer, match="not allocated to this"):
        answering({"ip_address": answer}).allocate(TOKEN, VM, id=IP)


@pytest.mark.parametrize("reverse_dns", [None, "web.example.net"])
def test_an_answer_with_another_reverse_dns_is_unreadable(reverse_dns: str | None) -> None:
    client = answering({"ip_address": READ | {"reverse_dns": reverse_dns}})
    with pytest.raises(UnreadableAnswer, match="another reverse DNS"):
        client.set_reverse_dns(TOKEN, id=IP, reverse_dns=NAME)


@pytest.mark.parametrize(
    ("name", "status", "code", "detail"),
    [
        ("allocate", 404, "ip_address_not_found", {}),
        ("allocate", 404, "virtual_machine_not_found", {}),
        ("allocate", 406, "object_in_trash", {"trash_object": TRASH}),
        ("allocate", 422, "ip_already_allocated", {}),
        ("allocate", 422, "no_interface_available", {}),
        ("set_reverse_dns", 404, "ip_address_not_found", {}),
        ("set_reverse_dns", 403, "permission_denied", {"details": "no"}),
        ("set_reverse_dns", 422, "validation_error", {"errors": ["Reverse dns is invalid"]}),
    ],
)
def test_a_refusal_keeps_its_detail_and_proves_that_nothing_changed(
    name: str, status: int, code: str, detail: dict[str, object]
) -> None:
    with pytest.raises(ErrorAnswer) as caught:
        CALLS[name][0](answering({"error": {"code": code, "detail": detail}}, status), TOKEN)
    assert (caught.value.code, caught.value.detail) == (code, detail)
    assert caught.value.is_definite


@pytest.mark.parametrize("keep_until", [None, True, "2027-01-15", 10**18, -(10**18), 1.5])
def test_the_time_in_the_trash_is_unknown_where_none_is_readable(keep_until: object) -> None:
    assert kept_until({"trash_object": {"keep_until": keep_until}}) is None


def test_the_time_in_the_trash_is_read_from_the_detail() -> None:
    assert kept_until({"trash_object": TRASH}) == datetime(2027, 1, 15, 8, tzinfo=UTC)
    assert kept_until({}) is kept_until({"trash_object": "x"}) is None


@each_change
@pytest.mark.parametrize("status", [None, 307, 403, 422, 429, 500, 502, 503])
def test_a_change_is_sent_once_whatever_the_answer(name: str, status: int | None) -> None:
    sent: list[httpx.Request] = []
    codes = {403: "invalid_api_token", 422: "no_allocation", 429: "rate_limit_reached"}

    def handler(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        if status is None:
            raise httpx.ReadError("reset")
        headers = {"Location": "/other"}
        return httpx.Response(status, json={"code": codes.get(status, "x")}, headers=headers)

    renewable = AccessToken(TOKEN, lambda _: pytest.fail("was renewed"))
    with pytest.raises(KatapultError):
        CALLS[name][0](client_for(handler), renewable)
    assert len(sent) == 1


@each_change
def test_each_change_has_a_connection_of_its_own(name: str) -> None:
    call, body = CALLS[name]
    content = json.dumps(body).encode()
    answer = OK.replace(b"Length: 2", b"Length: %d" % len(content)).removesuffix(b"{}") + content
    with serving(saying(answer), saying(answer)) as client:
        assert call(client, TOKEN).exchange.status == 200
        assert call(client, TOKEN).exchange.status == 200


@each_change
@pytest.mark.parametrize(
    ("status", "wrap"),
    [
        (422, '{"code": "validation_error", "description": "?", "detail": {"errors": ["?"]}}'),
        (200, '{"ip_address": {"id": "?", "address": "?", "reverse_dns": "?"}}'),
    ],
)
def test_a_token_in_the_answer_to_a_change_is_not_kept(name: str, status: int, wrap: str) -> None:
    with pytest.raises(KatapultError) as caught:
        CALLS[name][0](quoting(status, wrap), Secret(PLANTED))
    assert PLANTED not in printed(caught.value)
