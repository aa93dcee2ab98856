"""Answers that never end, two answers at once and late calls, over a raw socket."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any

import h11
import pytest

from ipadmin.sandbox import Sandbox, server
from ipadmin.sandbox.faults import DRIPS
from tests.sandbox_client import allocated, some, until


@contextmanager
def unallocating(box: Sandbox, address: str, **rule: Any) -> Iterator[socket.socket]:
    """A connection on which one unallocate request has been sent and met the fault `rule`."""
    box.set_faults([rule])
    host, _, port = box.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=3) as client:
        client.sendall(
            f"POST /core/v1/ip_addresses/{address}/unallocate HTTP/1.1\r\n"
            f"Host: {host}\r\nAuthorization: Bearer {box.token}\r\n\r\n".encode()
        )
        until(lambda: len(box.ledger("unallocate")) == 1)
        yield client


def events(data: bytes) -> list[h11.Event]:
    """What a client understands of `data`, the answer to a request."""
    wire = h11.Connection(h11.CLIENT)
    wire.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
    wire.send(h11.EndOfMessage())
    wire.receive_data(data)
    found: list[h11.Event] = []
    while isinstance(event := wire.next_event(), h11.Event):
        found.append(event)
    return found


def received(client: socket.socket, pieces: int) -> bytes:
    return b"".join(client.recv(4096) for _ in range(pieces))


@pytest.mark.parametrize("kind", sorted(DRIPS))
def test_a_drip_is_the_beginning_of_an_answer(box: Sandbox, kind: str) -> None:
    address = some(box)["id"]
    with unallocating(box, address, kind=kind, seconds=0.02) as client:
        until(lambda: not allocated(box, address))
        data = received(client, 5)
    understood = [type(event) for event in events(data)]
    expected = {
        "drip_headers": [],
        "drip_informational": [h11.InformationalResponse] * len(understood),
        "drip_chunk_extension": [h11.Response],
        "drip_trailers": [h11.Response, h11.Data],
    }
    assert understood == expected[kind]
    until(lambda: not box.engine.pending)
    assert box.ledger("unallocate")[0]["status"] is None


@pytest.mark.parametrize("kind", sorted(DRIPS))
def test_a_drip_goes_on_until_its_limit(
    box: Sandbox, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(server, "LONGEST_DRIP", 0.4)
    address = some(box)["id"]
    with unallocating(box, address, kind=kind, acts_at="end") as client:
        start = time.monotonic()
        received(client, 3)
        assert allocated(box, address)
        with pytest.raises(ConnectionResetError):
            received(client, 20)
        assert 0.3 < time.monotonic() - start < 1
    assert not allocated(box, address)


def test_two_answers_come_in_one_packet(box: Sandbox) -> None:
    with unallocating(box, some(box, None)["id"], kind="two_answers") as client:
        data = client.recv(65536)
    first, second = data.split(b"HTTP/1.1 ")[1:]
    assert first.startswith(b"422 ")
    assert second.startswith(b"200 OK\r\n")
    assert second.endswith(b"\r\n\r\n{}")


def test_a_late_call_acts_after_the_connection_has_closed(box: Sandbox) -> None:
    address = some(box)["id"]
    with unallocating(box, address, kind="late", seconds=0.3) as client:
        time.sleep(0.4)
        assert allocated(box, address)
        client.setblocking(False)
        with pytest.raises(BlockingIOError):
            client.recv(1)
        closed = datetime.now(UTC)
    until(lambda: not allocated(box, address))
    (entry,) = box.ledger("unallocate")
    assert (entry["fault"], entry["acted"], entry["status"]) == ("late", True, None)
    waited = datetime.fromisoformat(entry["acted_at"]) - closed
    assert 0.3 <= waited.total_seconds() < 0.6


@pytest.mark.parametrize("kind", ["late", "drip_headers"])
def test_a_reset_ends_what_is_pending(
    box: Sandbox, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    address = some(box)["id"]
    with unallocating(box, address, kind=kind, acts_at="end") as client:
        box.reset()
        with pytest.raises(ConnectionResetError):
            received(client, 20)
    until(lambda: not box.engine.pending)
    assert allocated(box, address)
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("kind", "is_closed"), [("late", False), ("late", True), ("drip_headers", False)]
)
def test_a_sandbox_stops_with_calls_pending(
    caplog: pytest.LogCaptureFixture, kind: str, is_closed: bool
) -> None:
    with ExitStack() as clients, Sandbox(token="t") as box:
        address = some(box)["id"]
        client = clients.enter_context(unallocating(box, address, kind=kind, seconds=30))
        if is_closed:
            client.close()
        start = time.monotonic()
    assert time.monotonic() - start < 1
    assert not box.engine.pending
    assert caplog.messages == []
