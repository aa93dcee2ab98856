"""Entries streamed to syslog receivers that behave, and to others."""

from __future__ import annotations

import errno
import os
import socket
import ssl
import time
from contextlib import closing
from pathlib import Path
from unittest.mock import Mock

import pytest

from ipadmin.audit.stream import syslog
from ipadmin.audit.stream.targets import NotTaken, target_from_url
from tests import receivers
from tests.receivers import Behaviour, content, listening, tcp

LINES = ['{"outcome": "succeeded"}', '{"by": "Zoë"}', '{"n": 3}']
LOST = [
    receivers.closes_at_once,
    receivers.says_goodbye_at_once,
    receivers.reads_a_little,
    receivers.resets,
    receivers.resets_later,
    receivers.resets_at_the_end,
    receivers.never_reads,
    receivers.never_closes,
    receivers.talks_without_end,
]
# A unix socket knows no reset.
NEVER_RESET = [behaviour for behaviour in LOST if not behaviour.__name__.startswith("resets")]


@pytest.fixture
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up on a receiver after a second."""
    monkeypatch.setattr(syslog, "CONNECT", 1.0)
    monkeypatch.setattr(syslog, "BATCH", 1.0)


@pytest.mark.parametrize("behaviour", [receivers.reads_to_the_end, receivers.answers])
def test_tcp_takes_every_line_behind_its_header(behaviour: Behaviour) -> None:
    with listening(behaviour, tcp()) as receiver:
        target_from_url(f"syslog+tcp://127.0.0.1:{receiver.port}").send(LINES)
        assert [content(message) for message in receiver.messages] == LINES


def test_tcp_takes_a_batch_larger_than_every_buffer() -> None:
    lines = [f"{number} {'x' * 5000}" for number in range(4000)]
    with listening(receivers.reads_to_the_end, tcp()) as receiver:
        target_from_url(f"syslog+tcp://localhost:{receiver.port}").send(lines)
        assert [content(message) for message in receiver.messages] == lines


def test_tcp_reaches_an_ipv6_address() -> None:
    try:
        sock = tcp("::1")
    except OSError:
        pytest.skip("no IPv6 here")
    with listening(receivers.reads_to_the_end, sock) as receiver:
        target_from_url(f"syslog+tcp://[::1]:{receiver.port}").send(LINES)
        assert [content(message) for message in receiver.messages] == LINES


@pytest.mark.usefixtures("_soon")
@pytest.mark.parametrize("behaviour", LOST)
@pytest.mark.parametrize("lines", [LINES, ["x" * 5000] * 4000], ids=["small", "large"])
def test_tcp_that_does_not_read_to_the_end_has_not_taken_it(
    behaviour: Behaviour, lines: list[str]
) -> None:
    with listening(behaviour, tcp()) as receiver:
        target = target_from_url(f"syslog+tcp://127.0.0.1:{receiver.port}")
        began = time.monotonic()
        with pytest.raises(NotTaken, match=rf"syslog\+tcp://127.0.0.1:{receiver.port}: "):
            target.send(lines)
        assert time.monotonic() - began < 3


def test_a_close_that_crosses_the_last_bytes_is_never_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(syslog, "REFUSAL", 0.0)
    with listening(receivers.closes_at_once, tcp()) as receiver:
        target = target_from_url(f"syslog+tcp://127.0.0.1:{receiver.port}")
        for _ in range(300):
            with pytest.raises(NotTaken):
                target.send(LINES)


def test_nobody_listens_and_later_somebody_does() -> None:
    with closing(tcp()) as sock:
        target = target_from_url(f"syslog+tcp://127.0.0.1:{sock.getsockname()[1]}")
        with pytest.raises(NotTaken, match="Connection refused"):
            target.send(LINES)
        with listening(receivers.reads_to_the_end, sock) as receiver:
            target.send(LINES)
            assert [content(message) for message in receiver.messages] == LINES


def test_an_unknown_host_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*args: object, **kwargs: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(NotTaken, match="Name or service not known"):
        target_from_url("syslog+tls://siem.invalid").send(LINES)


def test_udp_is_one_message_a_line() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(5)
        target_from_url(f"syslog+udp://127.0.0.1:{sock.getsockname()[1]}").send(LINES)
        assert [content(sock.recv(65536).decode()) for _ in LINES] == LINES


@pytest.mark.parametrize("count", [1, 3])
def test_udp_notices_a_machine_that_refuses(count: int) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    with pytest.raises(NotTaken, match="Connection refused"):
        target_from_url(f"syslog+udp://127.0.0.1:{port}").send(LINES[:count])


def test_udp_says_that_a_message_is_too_long() -> None:
    with pytest.raises(NotTaken, match=r"a message of 70,\d{3} bytes is too long for one datagram"):
        target_from_url("syslog+udp://127.0.0.1:9").send(["x" * 70_000])


def test_a_unix_datagram_socket(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "log"))
        sock.settimeout(5)
        target_from_url(f"syslog://{tmp_path}/log").send(LINES)
        assert [content(sock.recv(65536).decode()) for _ in LINES] == LINES


@pytest.mark.usefixtures("_soon")
def test_a_unix_datagram_socket_that_nobody_reads_fills_up(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "log"))
        with pytest.raises(NotTaken, match="too long"):
            target_from_url(f"syslog://{tmp_path}/log").send(["x" * 5000] * 4000)


def test_a_unix_stream_socket(tmp_path: Path) -> None:
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(tmp_path / "log"))
    with listening(receivers.reads_to_the_end, sock) as receiver:
        target_from_url(f"syslog://{tmp_path}/log").send(LINES)
        assert [content(message) for message in receiver.messages] == LINES


@pytest.mark.usefixtures("_soon")
@pytest.mark.parametrize("behaviour", NEVER_RESET)
def test_a_unix_stream_socket_that_does_not_read_to_the_end(
    tmp_path: Path, behaviour: Behaviour
) -> None:
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(tmp_path / "log"))
    with listening(behaviour, sock), pytest.raises(NotTaken):
        target_from_url(f"syslog://{tmp_path}/log").send(LINES)


def test_a_missing_unix_socket_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotTaken, match="/log: No such file or directory"):
        target_from_url(f"syslog://{tmp_path}/log").send(LINES)


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A certificate for 127.0.0.1 that the system's store knows."""
    pem = receivers.certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    return pem


@pytest.mark.parametrize("behaviour", [receivers.reads_to_the_end, receivers.says_farewell])
@pytest.mark.parametrize("count", [1, 3000])
def test_tls_takes_every_line(trusted: Path, behaviour: Behaviour, count: int) -> None:
    with listening(behaviour, tcp(), receivers.tls_context(trusted)) as receiver:
        target_from_url(f"syslog+tls://127.0.0.1:{receiver.port}").send(LINES * count)
        assert [content(message) for message in receiver.messages] == LINES * count


@pytest.mark.usefixtures("_soon")
@pytest.mark.parametrize("behaviour", LOST)
def test_tls_that_does_not_read_to_the_end_has_not_taken_it(
    trusted: Path, behaviour: Behaviour
) -> None:
    context = receivers.tls_context(trusted)
    with listening(behaviour, tcp(), context) as receiver, pytest.raises(NotTaken):
        target_from_url(f"syslog+tls://127.0.0.1:{receiver.port}").send(LINES * 3000)


def test_tls_that_ends_in_silence_on_an_older_library(
    trusted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssl.SSLSocket, "unwrap", Mock(side_effect=OSError(0, "Error")))
    with listening(receivers.reads_to_the_end, tcp(), receivers.tls_context(trusted)) as receiver:
        target_from_url(f"syslog+tls://127.0.0.1:{receiver.port}").send(LINES)


def test_tls_refuses_a_certificate_that_nobody_vouches_for(trusted: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    context = receivers.tls_context(receivers.certificate(tmp_path / "other"))
    with listening(receivers.reads_to_the_end, tcp(), context) as receiver:
        with pytest.raises(NotTaken, match="certificate is not trusted: self-signed certificate"):
            target_from_url(f"syslog+tls://127.0.0.1:{receiver.port}").send(LINES)
        assert receiver.received == []


def test_tls_refuses_a_certificate_for_somebody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = receivers.certificate(tmp_path, host="127.0.0.2")
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    with listening(receivers.reads_to_the_end, tcp(), receivers.tls_context(pem)) as receiver:
        with pytest.raises(NotTaken, match="IP address mismatch"):
            target_from_url(f"syslog+tls://127.0.0.1:{receiver.port}").send(LINES)
        assert receiver.received == []


@pytest.mark.usefixtures("_soon")
@pytest.mark.parametrize("behaviour", [receivers.never_reads, receivers.closes_at_once])
def test_tls_with_a_receiver_that_speaks_none(behaviour: Behaviour) -> None:
    with listening(behaviour, tcp()) as receiver, pytest.raises(NotTaken):
        target_from_url(f"syslog+tls://127.0.0.1:{receiver.port}").send(LINES)


def test_a_host_name_that_is_none_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "Zoë's\nbox")
    assert b" Zo'sbox ip-admin " in syslog.messages(["{}"])[0]
    monkeypatch.setattr(socket, "gethostname", lambda: "ë")
    assert b" - ip-admin %d audit - {}" % os.getpid() in syslog.messages(["{}"])[0]


def test_every_address_of_a_host_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(receivers.reads_to_the_end, tcp()) as receiver:
        hosts = ["127.0.0.9", "127.0.0.1"]
        found = [(socket.AF_INET, None, 0, "", (host, receiver.port)) for host in hosts]
        monkeypatch.setattr(socket, "getaddrinfo", Mock(return_value=found))
        target_from_url(f"syslog+tcp://siem.example:{receiver.port}").send(LINES)
        assert [content(message) for message in receiver.messages] == LINES


@pytest.mark.parametrize(("waiting", "codes"), [(5, [0, errno.EPIPE]), (0, [errno.EPIPE])])
def test_a_reset_that_arrives_behind_the_close_is_noticed(
    monkeypatch: pytest.MonkeyPatch, waiting: int, codes: list[int]
) -> None:
    monkeypatch.setattr(syslog, "_unacknowledged", Mock(return_value=waiting))
    monkeypatch.setattr(socket.socket, "getsockopt", Mock(side_effect=codes))
    with (
        listening(receivers.reads_to_the_end, tcp()) as receiver,
        pytest.raises(NotTaken, match="Broken pipe"),
    ):
        target_from_url(f"syslog+tcp://127.0.0.1:{receiver.port}").send(LINES)
