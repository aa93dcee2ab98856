"""HTTP over asyncio and h11, and the faults of a connection.

A call without fault or latency is answered in `data_received`, without a task, which is faster.
Others run as tasks. They go on when the client disconnects, so that late requests take effect; a
reset of the world cancels them.
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
import struct
from collections.abc import Coroutine
from contextlib import suppress
from email.utils import formatdate
from http.client import responses
from urllib.parse import unquote

import h11

from . import oauth
from .arguments import Request
from .engine import PREFIX, Engine, control
from .faults import DRIPS, KINDS, Answer, Rule
from .state import Entry, timestamp

LONGEST_DRIP = 300.0  # seconds
SECOND_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
NO_FAULT = Rule("delay")
Headers = list[tuple[str, str]]


class Connection(asyncio.Protocol):
    """One client's connection; requests on it are answered one after another."""

    transport: asyncio.Transport

    def __init__(self, engine: Engine, open_ones: set[Connection]) -> None:
        self.engine = engine
        self.open_ones = open_ones
        self.wire = h11.Connection(h11.SERVER)
        self.head = h11.Request(method="GET", target="/", headers=[("Host", "none")])
        self.body = b""
        self.gone = asyncio.Event()  # set when the connection is closed

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.open_ones.add(self)
        peer = transport.get_extra_info("socket")
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.gone.set()
        self.open_ones.discard(self)

    def data_received(self, data: bytes) -> None:
        self.wire.receive_data(data)
        self.read()

    def read(self) -> None:
        """Handle the events of h11 until it needs more bytes."""
        while not self.gone.is_set():
            try:
                event = self.wire.next_event()
            except h11.RemoteProtocolError:
                self.transport.abort()
                return
            if isinstance(event, h11.Request):
                self.head, self.body = event, b""
            elif isinstance(event, h11.Data):
                self.body += event.data
            elif isinstance(event, h11.EndOfMessage):
                self.begin()
            else:
                return

    def begin(self) -> None:
        request = self.request()
        if request.path.startswith(PREFIX):
            status, content_type, body = control(self.engine, request)
            self.send(status, [("Content-Type", content_type)], body)
            return
        if request.path.startswith(oauth.PREFIX):
            self.start(self.identity(request))
            return
        entry, rule = self.engine.receive(request)
        if rule is None and not self.engine.options.latency_ms:
            self.reply(self.engine.answer(request, entry), entry, "")
            return
        self.start(self.later(request, entry, rule or NO_FAULT))

    def start(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self.engine.pending.add(task)
        task.add_done_callback(self.ended)

    async def identity(self, request: Request) -> None:
        """Answer as the identity provider."""
        authorization = dict(self.head.headers).get(b"authorization", b"").decode("latin-1")
        seconds, answer = self.engine.oauth.answer(request, authorization)
        await asyncio.sleep(seconds)
        if answer.status is None:
            self.reset()
        elif not self.gone.is_set():
            location = [("Location", answer.location)] if answer.location else []
            headers = [("Content-Type", answer.content_type), ("Cache-Control", "no-store")]
            self.send(answer.status, [*headers, *location], answer.body)

    def ended(self, task: asyncio.Task[None]) -> None:
        self.engine.pending.discard(task)
        if task.cancelled():
            self.reset()
        else:
            self.read()

    def request(self) -> Request:
        headers = {name: value.decode("latin-1") for name, value in self.head.headers}
        path, _, query = self.head.target.decode("latin-1").partition("?")
        scheme, _, secret = headers.get(b"authorization", "").partition(" ")
        return Request(
            self.head.method.decode(),
            unquote(path),
            query,
            secret.strip() if scheme.lower() == "bearer" else None,
            headers.get(b"content-type", "").lower(),
            self.body,
        )

    async def later(self, request: Request, entry: Entry, rule: Rule) -> None:
        """Answer after the latency, and as `rule` says. A reset of the world cancels it."""
        await asyncio.sleep(self.engine.options.latency_ms / 1000)
        answer = Answer()
        if rule.acts_at == "start":
            answer = self.engine.answer(request, entry, acts=bool(rule.acts))
        if rule.kind in DRIPS:
            await self.drip(rule, answer, entry)
        elif rule.kind == "late":
            await self.gone.wait()
        await asyncio.sleep(0 if rule.kind in DRIPS else rule.seconds)
        if rule.acts_at == "end":
            answer = self.engine.answer(request, entry, acts=bool(rule.acts))
        kind = KINDS[rule.kind]
        if kind.resets:
            self.reset()
        elif kind.answer:
            self.reply(kind.answer(rule, answer), entry, rule.kind)

    async def drip(self, rule: Rule, answer: Answer, entry: Entry) -> None:
        """An answer that never ends: its beginning, and then a piece every `seconds`."""
        lines = [f"HTTP/1.1 {answer.status} {responses[answer.status]}"]
        lines += [f"{name}: {value}" for name, value in headers_of(answer, entry)]
        head = "\r\n".join(lines).encode() + b"\r\n"
        chunked = head + b"Transfer-Encoding: chunked\r\n\r\n%x" % len(answer.body)
        beginning, piece = {
            "drip_headers": (head + b"X-Drip: ", b"."),
            "drip_informational": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
            "drip_chunk_extension": (chunked + b";drip=", b"."),
            "drip_trailers": (chunked + b"\r\n" + answer.body + b"\r\n0\r\nX-Drip: ", b"."),
        }[rule.kind]
        self.write(beginning)
        with suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_DRIP):
                while not self.gone.is_set():
                    self.write(piece)
                    with suppress(TimeoutError):
                        async with asyncio.timeout(rule.seconds):
                            await self.gone.wait()

    def write(self, data: bytes) -> None:
        if not self.gone.is_set():
            self.transport.write(data)

    def reply(self, answer: Answer, entry: Entry, fault: str) -> None:
        """Record and send an answer, unless the client has disconnected."""
        if self.gone.is_set():
            return
        entry.status, entry.code, entry.answered_at = answer.status, answer.code, timestamp()
        self.send(answer.status, headers_of(answer, entry), answer.body, fault)

    def send(self, status: int, headers: Headers, body: bytes, fault: str = "") -> None:
        """One answer in one write. Fault `truncated` closes halfway through the body; a second
        answer follows with `two_answers`."""
        lines = [("Date", formatdate(usegmt=True)), *headers, ("Content-Length", str(len(body)))]
        reason = responses.get(status, "")
        data = self.wire.send(h11.Response(status_code=status, headers=lines, reason=reason))
        data = data or b""
        if self.head.method != b"HEAD" and status not in {204, 304}:
            half = body[: len(body) // 2]
            sent = half if fault == "truncated" else body
            data += self.wire.send(h11.Data(data=sent)) or b""
        if fault == "truncated":
            self.write(data)
            self.transport.close()
            return
        data += self.wire.send(h11.EndOfMessage()) or b""
        self.write(data + (SECOND_ANSWER if fault == "two_answers" else b""))
        if self.wire.our_state is h11.DONE and self.wire.their_state is h11.DONE:
            self.wire.start_next_cycle()
        else:
            self.transport.close()

    def reset(self) -> None:
        """Reset the connection: the client sees no orderly end."""
        if not self.gone.is_set():
            linger = struct.pack("ii", 1, 0)  # on, for 0 seconds: close with RST
            peer = self.transport.get_extra_info("socket")
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.transport.abort()


def headers_of(answer: Answer, entry: Entry) -> Headers:
    """As recorded: caching and a weak ETag on success, none and a schema on errors; no rate limits
    with a 500 [seen]."""
    headers: Headers = [("Content-Type", answer.content_type), *answer.headers]
    if answer.by_proxy:
        return headers
    headers.append(("X-Request-Id", entry.request_id))
    if answer.status < 300:
        digest = hashlib.sha256(answer.body).hexdigest()[:32]
        headers.append(("Cache-Control", "max-age=0, private, must-revalidate"))
        headers.append(("ETag", f'W/"{digest}"'))
    else:
        headers += [("Cache-Control", "no-cache"), ("X-Api-Schema", "json-error")]
    if answer.status != 500 and answer.permitted is not None:
        headers.append(("X-Ratelimit-Permitted", str(answer.permitted)))
        headers.append(("X-Ratelimit-Remaining", str(answer.remaining)))
    return headers
