"""The targets of AUDIT_STREAM: stdout, a file or an HTTP endpoint.

`send` delivers a whole batch of JSON lines or raises NotDelivered; the caller then sends the whole
batch again. A line can arrive twice, but none is left out.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import ssl
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx

from ipadmin.audit.export.files import sync_folder
from ipadmin.katapult.client import is_loopback

FORMS = "stdout:, file:///path/to/audit.jsonl or https://host/path"
# Pages show the target: no part of it may hold a secret.
FILE_URL = re.compile(r"file://(/\S*[^\s/])")
HTTP_URL = re.compile(r"https?://(?:[\w.-]+|\[[0-9a-f:]+\])(?::\d+)?(?:/[!-~]*)?", re.IGNORECASE)
HEADER_VALUE = re.compile(r"(?:[!-~](?:[ -~]*[!-~])?)?")
CONNECT_SECONDS = 5.0
# The longest pause while the batch is sent, and until the answer begins.
ANSWER_SECONDS = 15.0


class NotDelivered(Exception):
    """A batch that did not arrive, or may not have: target and reason, without any secret."""


def target_from_url(url: str, authorization: str = "") -> Target:
    """The target of a value of AUDIT_STREAM. `authorization` is for HTTP only.

    Opens nothing. Raises ValueError, which repeats neither of the two.
    """
    if url == "stdout:":
        return Stdout()
    if any(character in url for character in "?#@"):
        raise ValueError(
            "A target has no user, password, ? and #: set AUDIT_STREAM_AUTHORIZATION, and write"
            " %3F, %23 and %40 in a path."
        )
    if (file := FILE_URL.fullmatch(url)) and unquote(file[1]).isprintable():
        return File(Path(unquote(file[1])))
    if not HTTP_URL.fullmatch(url) or not _has_valid_port(url):
        raise ValueError(f"A target is {FORMS}, without spaces.")
    if url.lower().startswith("http:") and not is_loopback(url):
        raise ValueError("Entries would be sent unencrypted: write https://.")
    if not HEADER_VALUE.fullmatch(authorization):
        raise ValueError("AUDIT_STREAM_AUTHORIZATION is one line of ASCII characters.")
    return Http(url, authorization)


def _has_valid_port(url: str) -> bool:
    with suppress(ValueError):
        return urlsplit(url).port != 0
    return False


@dataclass(frozen=True)
class Stdout:
    """Delivered means written: nothing confirms that it was read."""

    def send(self, lines: bytes) -> None:
        try:
            sys.stdout.write(lines.decode())
            sys.stdout.flush()
        except (AttributeError, OSError, ValueError) as error:  # None or closed, as for a daemon
            raise NotDelivered(f"stdout: {error}.") from error


@dataclass(frozen=True)
class File:
    """Delivered means synced to disk. The file is created with mode 0600, its folder is not.

    It is opened for each batch, so that logrotate can rename it (`copytruncate` loses lines).
    """

    path: Path

    def send(self, lines: bytes) -> None:
        try:
            with self._opened() as descriptor:
                self._append(descriptor, lines)
        except OSError as error:
            raise NotDelivered(f"{self.path}: {error.strerror}.") from error

    @contextmanager
    def _opened(self) -> Iterator[int]:
        """The file, created if it is missing, and locked against other workers."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "it is not a regular file")
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise OSError(errno.EWOULDBLOCK, "another process has locked it") from error
            yield descriptor
        finally:
            os.close(descriptor)

    def _append(self, descriptor: int, lines: bytes) -> None:
        size = os.fstat(descriptor).st_size
        if not size:
            with suppress(PermissionError):  # of a folder that may be entered, but not read
                sync_folder(self.path)
        elif os.pread(descriptor, 1, size - 1) != b"\n":
            # The process that wrote half a line was killed.
            lines = b"\n" + lines
        try:
            rest = memoryview(lines)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            os.fsync(descriptor)
        except BaseException:
            os.ftruncate(descriptor, size)
            raise
        if not (self.path.exists() and os.path.samestat(os.fstat(descriptor), self.path.stat())):
            # It may have been compressed or deleted without these lines.
            raise OSError(errno.ESTALE, "it was renamed while it was written")


@dataclass(frozen=True)
class Http:
    """Delivered means answered with status 2xx.

    Each batch has a connection of its own: batches are rare, and an idle connection can be lost.
    Redirects are not followed, so that the header goes to no other host. The certificates of the
    system decide whom to trust.
    """

    url: str
    authorization: str = field(repr=False)

    def send(self, lines: bytes) -> None:
        headers = {"Content-Type": "application/x-ndjson", "User-Agent": "ip-admin"}
        if self.authorization:
            headers["Authorization"] = self.authorization
        timeout = httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS)
        context = ssl.create_default_context()
        try:
            with (
                httpx.Client(verify=context, trust_env=False, timeout=timeout) as http,
                http.stream("POST", self.url, content=lines, headers=headers) as answer,
            ):
                if answer.is_success:
                    return
                problem = f"it answered with status {answer.status_code}"
        except httpx.ConnectError as error:
            problem = f"it cannot be reached ({error})"
        except httpx.TimeoutException:
            problem = "it did not answer in time"
        except httpx.HTTPError:
            # Without the text of the exception, which can quote a header.
            problem = "the connection ended before its answer"
        raise NotDelivered(f"{self.url}: {problem}.")


Target = Stdout | File | Http
