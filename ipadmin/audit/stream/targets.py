"""The targets of AUDIT_STREAM: stdout, a file or an HTTP endpoint.

A target delivers a whole batch of JSON lines or raises NotDelivered; the caller then sends the
whole batch again. A line can arrive twice, but none is left out.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import SplitResult, unquote, urlsplit

from ipadmin.audit.stream.file_target import append
from ipadmin.audit.stream.http_target import post
from ipadmin.katapult.client import is_loopback

FORMS = "stdout:, file:///path/to/audit.jsonl or https://host/path"


class NotDelivered(Exception):
    """A batch that did not arrive, or may not have: target and reason, without any secret."""


class Target(Protocol):
    def send(self, lines: Sequence[str]) -> None:
        """Return when all lines are delivered. Raises NotDelivered."""


def target_from_url(url: str, authorization: str = "") -> Target:
    """The target of a value of AUDIT_STREAM. `authorization` is for HTTP only.

    Opens nothing. Raises ValueError, which repeats neither of the two.
    """
    if url == "stdout:":
        return Stdout()
    parts = _split(url)
    if parts.scheme == "file":
        return File(_path(parts))
    if parts.scheme not in {"http", "https"}:
        raise ValueError(f"There is no such kind of target: write {FORMS}.")
    if not parts.hostname:
        raise ValueError("The host is missing: write https://host/path.")
    if parts.scheme == "http" and not is_loopback(url):
        raise ValueError("Entries would be sent unencrypted: write https://.")
    if not re.fullmatch(r"[!-~]([ -~]*[!-~])?|", authorization):
        raise ValueError("AUDIT_STREAM_AUTHORIZATION is one line of ASCII characters.")
    return Http(url, authorization)


@dataclass(frozen=True)
class Stdout:
    """Delivered means written: nothing confirms that it was read."""

    def send(self, lines: Sequence[str]) -> None:
        try:
            sys.stdout.write("".join(f"{line}\n" for line in lines))
            sys.stdout.flush()
        except OSError as error:
            raise NotDelivered(f"stdout: {error.strerror}.") from error
        except (AttributeError, ValueError) as error:
            raise NotDelivered("stdout: it is closed.") from error


@dataclass(frozen=True)
class File:
    """Delivered means synced to disk. The file is created with mode 0600, its folder is not."""

    path: Path

    def send(self, lines: Sequence[str]) -> None:
        try:
            append(self.path, "".join(f"{line}\n" for line in lines).encode())
        except OSError as error:
            raise NotDelivered(f"{self.path}: {error.strerror}.") from error


@dataclass(frozen=True)
class Http:
    """Delivered means answered with status 2xx."""

    url: str
    authorization: str = field(repr=False)

    def send(self, lines: Sequence[str]) -> None:
        body = "".join(f"{line}\n" for line in lines).encode()
        if problem := post(self.url, body, self.authorization):
            raise NotDelivered(f"{self.url}: {problem}.")


def _split(url: str) -> SplitResult:
    """The parts of a URL. Pages show the target, so it has no room for a secret."""
    if not url.isprintable() or " " in url:
        raise ValueError("A target has no spaces or control characters; in a path write %20.")
    if "?" in url or "#" in url:
        raise ValueError("A target has no ? and no #; in a path write %3F and %23.")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError(
            "The host or port cannot be read: write https://host:8088/path, and for IPv6"
            " https://[2001:db8::1]:8088/path."
        ) from None
    if "@" in parts.netloc:
        raise ValueError("A target has no user and password: set AUDIT_STREAM_AUTHORIZATION.")
    return parts


def _path(parts: SplitResult) -> Path:
    path = unquote(parts.path)
    if parts.netloc or not path.startswith("/") or path.endswith("/") or not path.isprintable():
        raise ValueError("The path is absolute and ends in a file name: write file:///path/to/it.")
    return Path(path)
