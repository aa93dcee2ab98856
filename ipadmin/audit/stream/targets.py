"""Where finished entries are streamed to, one JSON line each: stdout, a file, or syslog.

A target takes a batch whole or says NotTaken; then the whole batch is to be sent again. So a line
may arrive twice, but none is missing. No connection and no file is kept open between batches.

How certain "taken" is: a file's lines are on its disk; stdout's are with the kernel; what the
syslog targets can and cannot know stands in `syslog.py`.
"""

from __future__ import annotations

import ipaddress
import os
import re
import select
import ssl
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import SplitResult, unquote, urlsplit

from ipadmin.audit.stream import syslog
from ipadmin.audit.stream.file_target import append

FORMS = (
    "stdout: or file:///path/to/audit.jsonl or syslog:///dev/log or syslog+udp://host:514 or "
    "syslog+tcp://host:601 or syslog+tls://host:6514"
)
SENDERS = {
    "syslog+udp": syslog.send_over_udp,
    "syslog+tcp": syslog.send_over_tcp,
    "syslog+tls": syslog.send_over_tls,
}
DEFAULT_PORTS = {"syslog+udp": 514, "syslog+tcp": 601, "syslog+tls": 6514}
HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
LONGEST_HOST = 253
# Bytes that Linux takes as the path of a socket.
LONGEST_SOCKET_PATH = 107
# Seconds for a batch to stdout, which waits when nobody reads the pipe.
STDOUT = 10.0


class NotTaken(Exception):
    """A batch that did not arrive, or not for certain: where, and why. Names no secret."""


class Target(Protocol):
    def send(self, lines: Sequence[str]) -> None:
        """Returns when all lines were taken. Raises NotTaken; ValueError, with nothing sent, for
        what is not a line."""


def target_from_url(url: str) -> Target:
    """Looks at the text only. Raises ValueError, which never repeats the text."""
    parts = _split(url)
    if url == "stdout:":
        return Stdout()
    if parts.scheme == "file":
        return File(Path(_path(parts)))
    if parts.scheme == "syslog":
        return UnixSyslog(_socket_path(parts))
    if parts.scheme in SENDERS:
        return Syslog(parts.scheme, *_host_and_port(parts))
    raise ValueError(f"There is no such kind of target: write {FORMS}.")


@dataclass
class Stdout:
    """Line by line; one of up to 4 KiB stays whole among what others write to the same pipe."""

    torn: bool = False

    def __str__(self) -> str:
        return "stdout"

    def send(self, lines: Sequence[str]) -> None:
        _refuse_broken(lines)
        with _or_not_taken(self):
            descriptor = self._descriptor()
            deadline = time.monotonic() + STDOUT
            for line in lines:
                self._write(descriptor, f"{line}\n".encode(), deadline)

    def _descriptor(self) -> int:
        """Never just 1: once stdout is closed, that can be a database. Flushed, because half a
        line of what others print may be waiting."""
        try:
            sys.stdout.flush()
            return sys.stdout.fileno()
        except (AttributeError, ValueError) as error:
            raise OSError("it is closed") from error

    def _write(self, descriptor: int, line: bytes, deadline: float) -> None:
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        view = memoryview(b"\n" + line if self.torn else line)
        while view:
            if not poll.poll(max(0, deadline - time.monotonic()) * 1000):
                raise TimeoutError
            view = view[os.write(descriptor, view[: select.PIPE_BUF]) :]
            self.torn = bool(view)


@dataclass(frozen=True)
class File:
    """Made with mode 0600 if it is not there; its folder must be."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def send(self, lines: Sequence[str]) -> None:
        _refuse_broken(lines)
        if lines:
            with _or_not_taken(self):
                append(self.path, "".join(f"{line}\n" for line in lines).encode())


@dataclass(frozen=True)
class UnixSyslog:
    path: str

    def __str__(self) -> str:
        return self.path

    def send(self, lines: Sequence[str]) -> None:
        _refuse_broken(lines)
        if lines:
            with _or_not_taken(self):
                syslog.send_to_unix(self.path, lines)


@dataclass(frozen=True)
class Syslog:
    kind: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.kind}://{host}:{self.port}"

    def send(self, lines: Sequence[str]) -> None:
        _refuse_broken(lines)
        if lines:
            with _or_not_taken(self):
                SENDERS[self.kind](self.host, self.port, lines)


def _refuse_broken(lines: Sequence[str]) -> None:
    """Before anything is sent. JSON escapes all that is refused here."""
    for line in lines:
        if not line or re.search(r"[\n\r\0\ud800-\udfff]", line):
            raise ValueError("A line is text without line breaks, zeros and lone surrogates.")


@contextmanager
def _or_not_taken(target: Target) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise NotTaken(f"{target}: {_reason(error)}.") from error


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "it took too long"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message.rstrip('.')}"
    if isinstance(error, ssl.SSLError) and error.reason:
        return f"no TLS with it: {error.reason.lower().replace('_', ' ')}"
    return error.strerror or str(error) or type(error).__name__


def _split(url: str) -> SplitResult:
    """The parts of a URL without what no target has."""
    if not url.isprintable() or " " in url:
        raise ValueError("A target has no spaces or control characters; in a path write %20.")
    if "?" in url or "#" in url:
        raise ValueError("A target has no ? and no #; in a path write %3F and %23.")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError(
            "The host or port cannot be read: write host:514, [2001:db8::1]:514 for IPv6, and a "
            "port from 1 to 65535."
        ) from None
    if "@" in parts.netloc:
        raise ValueError("A target carries no user and no password.")
    return parts


def _path(parts: SplitResult) -> str:
    if parts.netloc:
        raise ValueError(f"A path follows three slashes: {parts.scheme}:///path/to/it.")
    try:
        path = unquote(parts.path, errors="strict")
    except UnicodeDecodeError:
        raise ValueError("The path is not UTF-8 behind its percent signs.") from None
    if not path.startswith("/") or path.endswith("/"):
        text = "The path is absolute and ends in a name"
        raise ValueError(f"{text}: write {parts.scheme}:///path/to/it.")
    if not path.isprintable():
        raise ValueError("The path has no control characters.")
    return path


def _socket_path(parts: SplitResult) -> str:
    if parts.netloc:
        raise ValueError(
            "syslog: is for a socket of this machine, as in syslog:///dev/log; for a host write "
            "syslog+udp://, syslog+tcp:// or syslog+tls://."
        )
    path = _path(parts)
    if len(os.fsencode(path)) > LONGEST_SOCKET_PATH:
        raise ValueError(f"A socket's path has {LONGEST_SOCKET_PATH} bytes at most.")
    return path


def _host_and_port(parts: SplitResult) -> tuple[str, int]:
    example = f"write {parts.scheme}://host:{DEFAULT_PORTS[parts.scheme]}"
    if not parts.hostname:
        raise ValueError(f"The host is missing: {example}.")
    if not _is_host(parts):
        raise ValueError(f"The host is neither a name in ASCII nor an address: {example}.")
    if parts.path not in {"", "/"}:
        raise ValueError(f"Nothing follows the port: {example}.")
    if parts.port == 0:
        raise ValueError(f"The port is from 1 to 65535: {example}.")
    return parts.hostname, parts.port or DEFAULT_PORTS[parts.scheme]


def _is_host(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    if "[" not in parts.netloc:
        return len(host) <= LONGEST_HOST and HOST.fullmatch(host) is not None
    try:
        return ipaddress.ip_address(host).version == 6
    except ValueError:
        return False
