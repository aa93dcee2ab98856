"""Answers that are broken, foreign or late, over a real socket, confirmed with the real form: what
the audit entry says is true for each of them."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from ipadmin.katapult.client import KatapultClient, Timeouts
from ipadmin.models import ApiToken, AuditEntry, Outcome
from ipadmin.services import api
from ipadmin.services.reconcile import reconcile
from tests.page import Page
from tests.services.katapult import ADDRESS, IP, OTHER_VM, VM

TIMEOUTS = Timeouts(connect=2, read=2, total=0.6)
OTHER_IP = "ip_0000000000000009"

Answer = bytes | Callable[[socket.socket], None]


def http(body: Any, status: str = "200 OK") -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


class HostileKatapult:
    """Reads one address as `holder` has it, and answers changes and the next readings as it is
    told to: with bytes, or by a function of the connection."""

    def __init__(self, server: socket.socket) -> None:
        self.server = server
        self.holder: str | None = VM
        self.reads: deque[Answer] = deque()
        self.posts: deque[Answer] = deque()
        self.posted = 0

    def accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.server.accept()
                threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            connection.settimeout(5)
            while request := self.request(connection):
                answer = self.answer(request)
                if callable(answer):
                    answer(connection)
                    return
                connection.sendall(answer)

    @staticmethod
    def request(connection: socket.socket) -> bytes:
        """A whole request; empty when the client has left."""
        heard = b""
        while b"\r\n\r\n" not in heard or (heard[:4] == b"POST" and b"}}" not in heard):
            piece = connection.recv(65536)
            if not piece:
                return b""
            heard += piece
        return heard

    def answer(self, request: bytes) -> Answer:
        if request.startswith(b"POST"):
            self.posted += 1
            return self.posts.popleft()
        if b"/virtual_machines" in request:
            return http({"error": {"code": "scope_not_granted"}}, "403 Forbidden")
        if b"/organizations/" in request:
            # A second one, so that the first is not the last of its machine.
            second = self.address(id=OTHER_IP, address="192.0.2.99")
            return http({"pagination": {}, "ip_addresses": [self.address(), second]})
        return self.reads.popleft() if self.reads else self.reading()

    def address(self, **changes: Any) -> dict[str, Any]:
        return {
            "id": IP,
            "address": ADDRESS,
            "reverse_dns": "web-01.example.net",
            "vip": False,
            "allocation_id": self.holder,
            "allocation_type": self.holder and "VirtualMachine",
        } | changes

    def reading(self, **changes: Any) -> bytes:
        return http({"ip_address": self.address(**changes)})

    def act(self) -> None:
        self.holder = None


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> Iterator[HostileKatapult]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        made = HostileKatapult(server)
        threading.Thread(target=made.accept, daemon=True).start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        client = KatapultClient(url, user_agent="tests", timeouts=TIMEOUTS)
        monkeypatch.setattr(api, "client", lambda: client)
        yield made
        client.close()
        server.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def confirm(alices: Client, token: ApiToken, hostile: HostileKatapult) -> Callable[[], AuditEntry]:
    """Open the confirmation, press the button, and return the entry."""
    url = reverse("unallocate", args=[token.id, IP])

    def press() -> AuditEntry:
        alices.post(url, {"confirmation": Page(alices.get(url)).confirmation()})
        return AuditEntry.objects.latest("id")

    return press


Confirm = Callable[[], AuditEntry]


FOREIGN = {
    "a message": http({"message": "Internal server error"}),
    "a status": http({"status": "error", "message": "…"}),
    "a list of errors": http({"errors": [{"code": "no_allocation"}]}),
    "success: false": http({"success": False}),
    "a null error": http({"error": None}),
    "an empty error": http({"data": None, "error": {}}),
    "202": http({}, "202 Accepted"),
    "two equal keys": http(b'{"error":{"code":"no_allocation"},"error":null}'),
}


@pytest.mark.parametrize("answer", FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_success_is_unknown_until_readings_agree(
    answer: bytes, hostile: HostileKatapult, confirm: Confirm
) -> None:
    hostile.posts.append(answer)
    entry = confirm()
    assert (entry.outcome, entry.finished_at) == (Outcome.UNKNOWN, None)
    assert entry.error_code == "unreadable_answer"
    assert [reading["found"] for reading in entry.evidence] == ["allocated"]


def test_200_with_an_empty_object_is_a_success(hostile: HostileKatapult, confirm: Confirm) -> None:
    hostile.posts.append(http({}))
    assert confirm().outcome == Outcome.SUCCEEDED


def drip(start: bytes, piece: bytes) -> Callable[[socket.socket], None]:
    def serve(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(piece)
            time.sleep(0.02)

    return serve


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
DRIPS = {
    "headers": drip(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
    "informational responses": drip(b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
    "a chunk extension": drip(CHUNKED + b"2;", b"x"),
    "trailers": drip(CHUNKED + b"2\r\n{}\r\n0\r\n", b"X: y\r\n"),
}


@pytest.mark.parametrize("answer", DRIPS.values(), ids=DRIPS)
def test_a_dripping_answer_is_given_up_at_the_deadline(
    answer: Callable[[socket.socket], None], hostile: HostileKatapult, confirm: Confirm
) -> None:
    hostile.posts.append(answer)
    entry = confirm()
    assert (entry.outcome, entry.finished_at) == (Outcome.UNKNOWN, None)
    assert entry.error_code == "answer_lost"


def test_the_longest_attempt_follows_from_the_deadline() -> None:
    calls = 3 * settings.KATAPULT_TIMEOUTS["total"]
    assert calls + settings.ATTEMPT_SLACK == settings.LONGEST_ATTEMPT


def test_a_left_over_answer_is_not_the_answer_to_the_change(
    hostile: HostileKatapult, confirm: Confirm
) -> None:
    conflict = {"error": {"code": "resource_does_not_support_unallocation"}}
    hostile.reads.extend([hostile.reading(), hostile.reading() + http({})])
    hostile.posts.append(http(conflict, "409 Conflict"))
    entry = confirm()
    assert hostile.posted == 1
    assert (entry.outcome, entry.error_code) == (Outcome.FAILED, conflict["error"]["code"])


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("408 Request Timeout", "request_timeout"),
        ("421 Misdirected Request", "misdirected"),
        ("425 Too Early", "too_early"),
        ("499 Client Closed Request", "client_closed"),
        ("422 Unprocessable Content", "unheard_of"),
        ("409 Conflict", "no_allocation"),
    ],
)
def test_a_code_that_is_not_katapults_is_followed_by_a_reading(
    status: str, code: str, hostile: HostileKatapult, confirm: Confirm
) -> None:
    def acts(connection: socket.socket) -> None:
        hostile.act()
        connection.sendall(http({"code": code}, status))

    hostile.posts.append(acts)
    entry = confirm()
    assert (entry.outcome, entry.basis) == (Outcome.SUCCEEDED, "evidence")
    assert [reading["found"] for reading in entry.evidence] == ["unallocated"]


@pytest.mark.parametrize(
    "changes", [{"id": OTHER_IP}, {"address": "192.0.2.99"}, {"id": OTHER_IP, "address": "::1"}]
)
def test_a_reading_about_another_address_proves_nothing(
    changes: dict[str, str], hostile: HostileKatapult, confirm: Confirm
) -> None:
    other = hostile.reading(allocation_id=None, allocation_type=None, **changes)
    hostile.reads.extend([hostile.reading(), hostile.reading(), other])
    hostile.posts.append(http({"message": "?"}))
    entry = confirm()
    assert (entry.outcome, entry.finished_at) == (Outcome.UNKNOWN, None)
    assert [reading["found"] for reading in entry.evidence] == ["unreadable"]


def test_an_address_that_is_read_as_another_before_the_call_is_not_unallocated(
    hostile: HostileKatapult, confirm: Confirm
) -> None:
    hostile.reads.extend([hostile.reading(), hostile.reading(id=OTHER_IP, allocation_id=OTHER_VM)])
    entry = confirm()
    assert (entry.outcome, entry.error_code) == (Outcome.REFUSED, "unreadable_answer")
    assert hostile.posted == 0


def test_a_second_attempt_does_not_claim_what_a_late_first_one_did(
    hostile: HostileKatapult, confirm: Confirm, settings: Any
) -> None:
    """The first call is carried out after two readings have closed its entry as failed."""
    settings.EVIDENCE_INTERVAL = settings.EVIDENCE_RETRY = 0.05
    hostile.posts.extend([http({"message": "?"}), http({"message": "?"})])
    first = confirm()
    time.sleep(0.1)
    reconcile()
    first.refresh_from_db()
    assert (first.outcome, first.basis) == (Outcome.FAILED, "evidence")

    allocated, late = hostile.reading(), hostile.reading(allocation_id=None, allocation_type=None)
    hostile.reads.extend([allocated, allocated, late])
    second = confirm()
    assert second.outcome == Outcome.UNKNOWN
    assert second.competing_attempts == [str(first.attempt_id)]
