"""What only a real socket shows: a server of bytes that says and does what it must not."""

from __future__ import annotations

import re
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread

import pytest

from ipadmin.katapult.client import KatapultClient, Timeouts
from ipadmin.katapult.errors import AnswerLost, KatapultError, NotSent, UnreadableAnswer
from tests.katapult.shapes import TOKEN, unallocate

QUICK = Timeouts(connect=2, read=0.2, total=1)
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"

NONE = b'HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{"organizations":[]}'

Behaviour = Callable[[socket.socket], None]


def hear(connection: socket.socket) -> bytes:
    """A whole request, its body too; nothing when the client is gone. To close a connection before
    its body was read would reset it, and the answer could be lost."""
    heard = b""
    while not is_whole(heard):
        piece = connection.recv(65536)
        if not piece:
            return b""
        heard += piece
    return heard


def is_whole(heard: bytes) -> bool:
    head, end, body = heard.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    return bool(end) and len(body) >= int(length[1] if length else 0)


@contextmanager
def serving(*behaviours: Behaviour) -> Iterator[KatapultClient]:
    """Each connection behaves as its turn says, and is closed after."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)

        def serve() -> None:
            for behave in behaviours:
                connection, _ = server.accept()
                with connection:
                    connection.settimeout(5)
                    behave(connection)

        thread = Thread(target=serve)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        client = KatapultClient(url, user_agent="x", timeouts=QUICK)
        try:
            yield client
        finally:
            client.close()
            thread.join()


def saying(*pieces: bytes, pause: float = 0) -> Behaviour:
    def behave(connection: socket.socket) -> None:
        hear(connection)
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(pause)

    return behave


def reset(connection: socket.socket) -> None:
    hear(connection)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def silence(connection: socket.socket) -> None:
    hear(connection)
    connection.recv(1)


def failure(client: KatapultClient) -> KatapultError:
    with pytest.raises(KatapultError) as caught:
        unallocate(client)
    return caught.value


HEAD = b"HTTP/1.1 200 OK\r\n"
LOST = {
    "closed at once": socket.socket.close,
    "closed after the request": saying(),
    "reset": reset,
    "silent": silence,
    "not HTTP": saying(b"220 mail.example.net ESMTP\r\n"),
    "a status like no other": saying(b"HTTP/1.1 999999 OK\r\n\r\n"),
    "two lengths": saying(HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} "),
    "endless headers": saying(HEAD + b"X: " + b"x" * 200_000),
    "101 Switching Protocols": saying(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n"),
    "only 100 Continue": saying(b"HTTP/1.1 100 Continue\r\n\r\n"),
}
LOST_IN_BODY = {
    "half the body": saying(HEAD + b"Content-Length: 2\r\n\r\n{"),
    "half a chunk": saying(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{"),
    "no last chunk": saying(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"),
}


@pytest.mark.parametrize("behave", LOST.values(), ids=LOST)
def test_without_an_answer_the_outcome_is_unknown(behave: Behaviour) -> None:
    with serving(behave) as client:
        problem = failure(client)
    assert type(problem) is AnswerLost
    assert problem.exchange.status is None
    assert problem.__cause__
    assert problem.exchange.duration < 2


@pytest.mark.parametrize("behave", LOST_IN_BODY.values(), ids=LOST_IN_BODY)
def test_half_an_answer_leaves_the_outcome_unknown(behave: Behaviour) -> None:
    with serving(behave) as client:
        problem = failure(client)
    assert type(problem) is AnswerLost
    assert problem.exchange.status == 200


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_an_answer_without_a_body_is_unreadable(status: bytes) -> None:
    with serving(saying(b"HTTP/1.1 " + status + b"\r\nX-Request-Id: r\r\n\r\n")) as client:
        problem = failure(client)
    assert type(problem) is UnreadableAnswer
    assert problem.exchange.request_id == "r"


def test_an_answer_in_pieces_after_early_hints_is_whole() -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    pieces = [hints, *(OK[at : at + 9] for at in range(0, len(OK), 9))]
    with serving(saying(*pieces, pause=0.005)) as client:
        assert unallocate(client).exchange.status == 200


def test_reads_use_a_connection_again() -> None:
    def twice(connection: socket.socket) -> None:
        saying(NONE)(connection)
        saying(NONE)(connection)

    with serving(twice) as client:
        client.organizations(TOKEN)
        assert client.organizations(TOKEN).value == ()


def test_each_change_has_a_connection_of_its_own() -> None:
    with serving(saying(OK), saying(OK)) as client:
        unallocate(client)
        assert unallocate(client).exchange.status == 200


def test_a_second_answer_on_a_kept_connection_is_not_taken_for_that_of_a_change() -> None:
    conflict = b'{"error":{"code":"resource_does_not_support_unallocation"}}'
    head = f"HTTP/1.1 409 Conflict\r\nContent-Length: {len(conflict)}\r\n\r\n".encode()
    with serving(saying(NONE + OK), saying(head + conflict)) as client:
        client.organizations(TOKEN)
        assert failure(client).code == "resource_does_not_support_unallocation"


def test_a_connection_closed_while_idle_is_replaced() -> None:
    with serving(saying(NONE), saying(NONE)) as client:
        client.organizations(TOKEN)
        time.sleep(0.1)
        assert client.organizations(TOKEN).value == ()


def test_a_connection_on_which_more_has_come_while_idle_is_replaced() -> None:
    with serving(saying(NONE, OK, pause=0.05), saying(NONE)) as client:
        client.organizations(TOKEN)
        time.sleep(0.1)
        assert client.organizations(TOKEN).value == ()


def test_a_kept_connection_that_breaks_under_a_call_is_not_tried_again() -> None:
    """The request was heard; sending it again would be another action."""
    heard: list[bytes] = []

    def dies(connection: socket.socket) -> None:
        saying(NONE)(connection)
        heard.append(hear(connection))

    with serving(dies) as client:
        client.organizations(TOKEN)
        with pytest.raises(AnswerLost):
            client.organizations(TOKEN)
    assert len(heard) == 1


def test_a_proxy_named_in_the_environment_sees_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": ""}.items():
        monkeypatch.setenv(name, value)
        monkeypatch.setenv(name.lower(), value)
    with serving(saying(OK)) as client:
        assert unallocate(client).exchange.status == 200


def test_a_refused_connection_is_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    problem = failure(KatapultClient(f"http://127.0.0.1:{port}", user_agent="x", timeouts=QUICK))
    assert type(problem) is NotSent
    assert problem.is_definite


@pytest.mark.parametrize("url", ["katapult.test", "ftp://katapult.test", "http://", ""])
def test_a_url_that_leads_nowhere_is_not_sent(url: str) -> None:
    assert type(failure(KatapultClient(url, user_agent="x"))) is NotSent


def test_a_server_that_speaks_no_tls_is_not_sent_a_token() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        heard: list[bytes] = []

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                heard.append(connection.recv(65536))
                connection.sendall(OK)

        thread = Thread(target=serve)
        thread.start()
        url = f"https://127.0.0.1:{server.getsockname()[1]}"
        client = KatapultClient(url, user_agent="x", timeouts=QUICK)
        problem = failure(client)
        client.close()
        thread.join()
    assert type(problem) is NotSent
    assert b"planted" not in heard[0]
