"""Bytes that h11 does not write: an answer that never ends, and a second answer to one request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus

LONGEST_DRIP = 300.0  # seconds
SECOND_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


async def drip(
    write: Callable[[bytes], None],
    beginning: bytes,
    piece: bytes,
    seconds: float,
    gone: asyncio.Event,
) -> None:
    """Write `beginning`, then a piece every `seconds`, until the client is gone or for 300 s."""
    write(beginning)
    with suppress(TimeoutError):
        async with asyncio.timeout(LONGEST_DRIP):
            while not gone.is_set():
                write(piece)
                with suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await gone.wait()


def endless(
    kind: str, status: int, headers: list[tuple[str, str]], body: bytes
) -> tuple[bytes, bytes]:
    """The beginning of an answer that never ends, and the piece that is repeated after it."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers]
    head = "\r\n".join(lines).encode() + b"\r\n"
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n%x" % len(body)
    return {
        "drip_headers": (head + b"X-Drip: ", b"."),
        "drip_informational": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
        "drip_chunk_extension": (chunked + b";drip=", b"."),
        "drip_trailers": (chunked + b"\r\n" + body + b"\r\n0\r\nX-Drip: ", b"."),
    }[kind]
