"""Lines to a syslog receiver, as RFC 5424 messages.

A stream (TCP, TLS, a unix socket) is framed by counting octets (RFC 6587, 5425). It has no
acknowledgement of its own, so after a batch we close our half and wait for the receiver to close
its own: only a receiver that has read to our end does that. What arrived at its machine but was
not read when it died comes back as a reset, and does not count.

What this cannot know: whether the receiver kept what it read; whether it says goodbye for another
reason just after our end, with more unread (before our end, it is noticed); over UDP, whether
anything arrived at all (a refused port is noticed, a lost or dropped datagram is not); over a unix
datagram socket, whether the daemon read what the kernel holds for it. TLS proves who receives, but
many receivers (rsyslog's GnuTLS driver for one) close without TLS's own farewell, so that is not
demanded: somebody who can forge packets on the way could cut a batch short and have it count.
A receiver may also cut messages longer than it is set to (rsyslog: 8 KiB).

Everything here raises OSError.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import select
import socket
import ssl
import struct
import termios
import time
from collections.abc import Sequence
from datetime import UTC, datetime

# Seconds: to connect, for each address of the host, and again for TLS; and for the batch after it.
CONNECT = 5.0
BATCH = 10.0
# Seconds in which a receiver that wants nothing says so: by closing, or by refusing a UDP port.
REFUSAL = 0.1
SLICE = 16 * 1024

# Facility 13 (log audit) times 8, plus severity 5 (notice).
PRIORITY = 13 * 8 + 5
LONGEST_HOSTNAME = 255


def messages(lines: Sequence[str]) -> list[bytes]:
    """Each line behind its header: time of sending, host, program, process, kind, no data."""
    now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    host = re.sub(r"[^!-~]", "", socket.gethostname())[:LONGEST_HOSTNAME] or "-"
    header = f"<{PRIORITY}>1 {now} {host} ip-admin {os.getpid()} audit - "
    return [(header + line).encode() for line in lines]


def send_to_unix(path: str, lines: Sequence[str]) -> None:
    """To a socket of this machine, whichever of the two kinds it is."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.settimeout(CONNECT)
        try:
            sock.connect(path)
        except OSError as error:
            if error.errno != errno.EPROTOTYPE:
                raise
        else:
            return _send_datagrams(sock, lines)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(CONNECT)
        sock.connect(path)
        return _send_stream(sock, lines)


def send_over_udp(host: str, port: int, lines: Sequence[str]) -> None:
    with _connected(host, port, socket.SOCK_DGRAM) as sock:
        _send_datagrams(sock, lines)
        poll = select.poll()
        poll.register(sock, 0)
        if poll.poll(REFUSAL * 1000):
            _raise_pending_error(sock)


def send_over_tcp(host: str, port: int, lines: Sequence[str]) -> None:
    with _connected(host, port, socket.SOCK_STREAM) as sock:
        _send_stream(sock, lines)


def send_over_tls(host: str, port: int, lines: Sequence[str]) -> None:
    """To a receiver whose certificate is for `host` and known to the system's store."""
    context = ssl.create_default_context()
    with (
        _connected(host, port, socket.SOCK_STREAM) as sock,
        context.wrap_socket(sock, server_hostname=host) as secured,
    ):
        _send_stream(secured, lines)


def _connected(host: str, port: int, kind: socket.SocketKind) -> socket.socket:
    """The first of the host's addresses that answers."""
    failure: OSError | None = None
    for family, _kind, protocol, _name, address in socket.getaddrinfo(host, port, type=kind):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(CONNECT)
            sock.connect(address)
        except OSError as error:
            sock.close()
            failure = error
        else:
            return sock
    raise failure or OSError(errno.EADDRNOTAVAIL, "the host has no address")


def _send_datagrams(sock: socket.socket, lines: Sequence[str]) -> None:
    deadline = time.monotonic() + BATCH
    for message in messages(lines):
        sock.settimeout(_left(deadline))
        try:
            sock.send(message)
        except OSError as error:
            if error.errno == errno.EMSGSIZE:
                size = f"a message of {len(message):,} bytes is too long for one datagram"
                raise OSError(errno.EMSGSIZE, f"{size}: a stream has no limit") from error
            raise


def _send_stream(sock: socket.socket, lines: Sequence[str]) -> None:
    deadline = time.monotonic() + BATCH
    frames = b"".join(b"%d %b" % (len(message), message) for message in messages(lines))
    for start in range(0, len(frames), SLICE):
        _send_all(sock, frames[start : start + SLICE], deadline)
    if _closes_early(sock, deadline):
        raise ConnectionError("it closed before everything was sent")
    if isinstance(sock, ssl.SSLSocket):
        with _without_tls(sock, deadline) as plain:
            _await_close(plain, deadline)
    else:
        _await_close(sock, deadline)


def _send_all(sock: socket.socket, data: bytes, deadline: float) -> None:
    view = memoryview(data)
    while view:
        sock.settimeout(_left(deadline))
        view = view[sock.send(view) :]


def _closes_early(sock: socket.socket, deadline: float) -> bool:
    """Whether the receiver has closed, or does so now, without having seen our end."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    until = time.monotonic() + REFUSAL
    while poll.poll(max(0, until - time.monotonic()) * 1000):
        _ = _left(deadline)
        sock.settimeout(0)
        try:
            if not sock.recv(SLICE):
                return True
        except (BlockingIOError, ssl.SSLWantReadError):
            pass  # TLS talking to itself
    return False


def _without_tls(sock: ssl.SSLSocket, deadline: float) -> socket.socket:
    """The connection below, once TLS has said farewell; the receiver need not answer it."""
    sock.settimeout(_left(deadline))
    try:
        sock.unwrap()
    except ssl.SSLEOFError:
        pass
    except OSError as error:
        # Python's way of saying that the connection was closed in silence.
        if error.errno != 0:
            raise
    return socket.socket(fileno=sock.detach())


def _await_close(sock: socket.socket, deadline: float) -> None:
    """Close our half; return when the receiver has closed its own and has all that was sent.

    A receiver that closed while our last bytes were on their way looks the same at first: then
    they stay unacknowledged, and a reset follows.
    """
    sock.shutdown(socket.SHUT_WR)
    sock.settimeout(_left(deadline))
    while sock.recv(SLICE):
        sock.settimeout(_left(deadline))
    while _unacknowledged(sock):
        _raise_pending_error(sock)
        time.sleep(min(0.01, _left(deadline)))
    _raise_pending_error(sock)


def _unacknowledged(sock: socket.socket) -> int:
    """Bytes that the other side's machine has not confirmed."""
    (count,) = struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)))
    return int(count)


def _raise_pending_error(sock: socket.socket) -> None:
    code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))


def _left(deadline: float) -> float:
    """Seconds until then. Raises TimeoutError when there are none."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds
