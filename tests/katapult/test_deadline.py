"""No call outlives its deadline, however slowly and for however long the server goes on."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ipadmin.katapult import transport
from ipadmin.katapult.client import KatapultClient, Timeouts
from ipadmin.katapult.errors import AnswerLost, KatapultError, NotSent
from ipadmin.katapult.types import Reply
from tests.examples import share_of
from tests.katapult.shapes import unallocate

DEADLINE = 0.4  # seconds
TOLERANCE = 0.5  # seconds
TIMEOUTS = Timeouts(connect=5, read=5, total=DEADLINE)
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"

# What is sent at once, and the piece that is sent again and again.
DRIPS = {
    "nothing": (b"", b""),
    "headers": (HEAD, b"X: y\r\n"),
    "one header": (HEAD + b"X: ", b"y"),
    "the body": (HEAD + b"Content-Length: 99999\r\n\r\n", b" "),
    "a chunk": (CHUNKED + b"ffff\r\n", b" "),
    "trailers": (CHUNKED + b"2\r\n{}\r\n0\r\n", b"X: y\r\n"),
}

Serve = Callable[[socket.socket], None]


@contextlib.contextmanager
def served(serve: Serve, scheme: str = "http", host: str = "127.0.0.1") -> Iterator[KatapultClient]:
    """A client of a server that answers every connection with `serve`, in a thread of its own."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    threading.Thread(target=handle, args=(connection,), daemon=True).start()

        def handle(connection: socket.socket) -> None:
            with contextlib.suppress(OSError), connection:
                connection.settimeout(5)
                serve(connection)

        threading.Thread(target=accept, daemon=True).start()
        url = f"{scheme}://{host}:{server.getsockname()[1]}"
        client = KatapultClient(url, user_agent="x", timeouts=TIMEOUTS)
        try:
            yield client
        finally:
            client.close()
            server.shutdown(socket.SHUT_RDWR)


def dripping(start: bytes, piece: bytes, pause: float = 0.02) -> Serve:
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(start)
        while True:
            connection.sendall(piece)
            time.sleep(pause)

    return serve


def result(client: KatapultClient) -> tuple[Reply[None] | KatapultError, float]:
    """What the call ended with, and after how many seconds.

    A call that took too long is made again, twice at most: a machine that is busy with other work
    is late once, a call without a deadline each time.
    """
    for _ in range(3):
        began = time.monotonic()
        ended: Reply[None] | KatapultError
        try:
            ended = unallocate(client)
        except KatapultError as error:
            ended = error
        seconds = time.monotonic() - began
        if seconds <= DEADLINE + TOLERANCE:
            break
    return ended, seconds


def failure(client: KatapultClient) -> tuple[KatapultError, float]:
    ended, seconds = result(client)
    assert isinstance(ended, KatapultError)
    return ended, seconds


@pytest.mark.parametrize(("start", "piece"), DRIPS.values(), ids=DRIPS)
def test_a_dripping_answer_ends_at_the_deadline(start: bytes, piece: bytes) -> None:
    with served(dripping(start, piece)) as client:
        problem, seconds = failure(client)
    assert type(problem) is AnswerLost
    assert DEADLINE - 0.1 <= seconds <= DEADLINE + TOLERANCE


def test_informational_responses_without_a_pause_end_at_the_deadline() -> None:
    piece = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 100
    with served(dripping(b"", piece, pause=0)) as client:
        problem, seconds = failure(client)
    assert type(problem) is AnswerLost
    assert seconds <= DEADLINE + TOLERANCE


def test_a_dripping_tls_handshake_ends_at_the_deadline() -> None:
    """A record of 16 KiB that is announced and then comes byte by byte."""
    with served(dripping(b"\x16\x03\x03\x40\x00", b"\x02"), scheme="https") as client:
        problem, seconds = failure(client)
    assert type(problem) is NotSent
    assert seconds <= DEADLINE + TOLERANCE


def test_a_slow_resolver_ends_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    look_up = socket.getaddrinfo
    is_over = threading.Event()

    def slow(host: str, *rest: Any, **more: Any) -> Any:
        if host == "localhost":
            is_over.wait(5)
        return look_up(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    with served(dripping(b"", b""), host="localhost") as client:
        problem, seconds = failure(client)
    is_over.set()
    assert type(problem) is NotSent
    assert seconds <= DEADLINE + TOLERANCE


def test_all_addresses_of_a_host_together_have_one_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A full backlog leaves each connection without an answer."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        port = server.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
        monkeypatch.setattr(transport, "_resolve", lambda *_: ["127.0.0.1"] * 5)
        url = f"http://127.0.0.1:{port}"
        problem, seconds = failure(KatapultClient(url, user_agent="x", timeouts=TIMEOUTS))
        for each in waiting:
            each.close()
    assert type(problem) is NotSent
    assert seconds <= DEADLINE + TOLERANCE


def test_a_host_without_an_address_is_not_sent() -> None:
    client = KatapultClient("http://no-such-host.invalid", user_agent="x", timeouts=TIMEOUTS)
    assert type(failure(client)[0]) is NotSent


def test_an_operation_outside_a_deadline_is_a_mistake() -> None:
    with pytest.raises(LookupError):
        transport.Backend().connect_tcp("127.0.0.1", 9)


pieces = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *(HEAD, b"HTTP/1.1 202 Accepted\r\n", b"HTTP/1.1 102 Processing\r\n\r\n"),
                *(b"Content-Length: 2\r\n\r\n{}", CHUNKED, b"2\r\n{}\r\n", b"0\r\n\r\n"),
                *(b"X: y\r\n", b"\r\n", b"{}", b'{"error":{"code":"no_allocation"}}'),
                b"HTTP/1.1 422 X\r\nContent-Length: 34\r\n\r\n",
            ]
        )
        | st.binary(max_size=20),
        st.sampled_from([0, 0, 0, 0.01, 0.1]),
    ),
    max_size=8,
)


@hypothesis_settings(
    max_examples=share_of(60), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
@given(pieces=pieces, ends=st.booleans())
def test_only_200_with_an_empty_object_succeeds_and_nothing_outlives_the_deadline(
    pieces: list[tuple[bytes, float]], ends: bool
) -> None:
    """Bytes, statuses, headers and pauses of any kind; then silence, or the end."""

    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        for piece, pause in pieces:
            connection.sendall(piece)
            time.sleep(pause)
        if not ends:
            connection.recv(1)

    with served(serve) as client:
        ended, seconds = result(client)
    assert seconds <= DEADLINE + TOLERANCE
    assert not isinstance(ended, NotSent)
    if isinstance(ended, Reply):
        assert ended.exchange.status == 200
        sent = b"".join(piece for piece, _ in pieces)
        assert b"{}" in sent
        assert b"HTTP/1.1 200 OK\r\n" in sent
