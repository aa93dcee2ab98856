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
import time
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from urllib.parse import unquote

import h11

from . import wire_faults
from .api import Answer, Exchange
from .arguments import Request
from .control import PREFIX, control
from .engine import Engine
from .faults import DRIPS, Rule
from .replies import Reply, faulty
from .state import Entry

RESETS = frozenset({"reset_before", "reset_after", *DRIPS})  # how these kinds end
UNANSWERED = frozenset({"no_answer", "late"})
NO_FAULT = Rule("delay")
REASONS = {each.value: each.phrase.encode() for each in HTTPStatus}
Headers = list[tuple[str, str]]


class Connection(asyncio.Protocol):
    """One client's connection; requests on it are answered one after another."""

    def __init__(self, engine: Engine, open_ones: set[Connection]) -> None:
        self.engine = engine
        self.open_ones = open_ones
        self.wire = h11.Connection(h11.SERVER)
        self.transport: asyncio.Transport | None = None
        self.head: h11.Request | None = None
        self.body = b""
        self.gone = asyncio.Event()  # set when the connection is closed

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.open_ones.add(self)
        peer = transport.get_extra_info("socket")
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.transport = None
        self.gone.set()
        self.open_ones.discard(self)

    def data_received(self, data: bytes) -> None:
        self.wire.receive_data(data)
        self.read()

    def eof_received(self) -> None:
        """A client that half-closes is treated as gone; `None` lets asyncio close."""

    def read(self) -> None:
        """Handle the events of h11 until it needs more bytes."""
        while self.transport is not None:
            try:
                event = self.wire.next_event()
            except h11.RemoteProtocolError:
                self.stop()
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
            self.send(status, [("Content-Type", content_type)], body.encode())
            return
        exchange, entry, rule = self.engine.receive(request)
        if rule is None and not self.engine.options.latency_ms:
            self.reply(Reply(self.engine.answer(exchange, entry)), entry)
            return
        task = asyncio.get_running_loop().create_task(self.later(exchange, entry, rule or NO_FAULT))
        self.engine.pending.add(task)
        task.add_done_callback(self.ended)

    def ended(self, task: asyncio.Task[None]) -> None:
        self.engine.pending.discard(task)
        if task.cancelled():
            self.abort()
        else:
            self.read()

    def request(self) -> Request:
        assert self.head is not None  # noqa: S101 - h11 ends no message it has not begun
        path, _, query = self.head.target.decode("latin-1").partition("?")
        made = Request(self.head.method.decode(), unquote(path), query, body=self.body)
        for name, value in self.head.headers:
            if name == b"authorization":
                scheme, _, secret = value.decode("latin-1").partition(" ")
                made.token = secret.strip() if scheme.lower() == "bearer" else None
            elif name == b"content-type":
                made.content_type = value.decode("latin-1").lower()
        if self.transport is not None:
            made.peer = self.transport.get_extra_info("peername")[0]
        return made

    async def later(self, exchange: Exchange, entry: Entry, rule: Rule) -> None:
        """Answer after the latency, and the way `rule` says. A reset of the world cancels it."""
        await asyncio.sleep(self.engine.options.latency_ms / 1000)
        if rule.acts_at == "start":
            answer = self.engine.answer(exchange, entry, acts=bool(rule.acts))
            await self.wait(rule, answer, entry)
        else:
            await self.wait(rule, Answer(200, "{}"), entry)
            answer = self.engine.answer(exchange, entry, acts=bool(rule.acts))
        if rule.kind in RESETS:
            self.abort()
        elif rule.kind not in UNANSWERED:
            self.reply(faulty(rule, answer), entry)

    async def wait(self, rule: Rule, answer: Answer, entry: Entry) -> None:
        """The wait of a fault; a drip sends the beginning of `answer` meanwhile."""
        if rule.kind in DRIPS:
            await self.drip(rule, answer, entry)
            return
        if rule.kind == "late":
            await self.gone.wait()
        await asyncio.sleep(rule.seconds)

    async def drip(self, rule: Rule, answer: Answer, entry: Entry) -> None:
        if self.transport is None:
            return
        body = answer.body.encode()
        headers = [("Content-Type", "application/json")]
        headers += katapult_headers(answer, entry.request_id, body)
        beginning, piece = wire_faults.endless(rule.kind, answer.status, headers, body)
        write = self.transport.write
        await wire_faults.drip(write, beginning, piece, rule.seconds, self.gone)

    def reply(self, reply: Reply, entry: Entry) -> None:
        """Send an answer with the live API's headers, unless the client has disconnected."""
        if self.transport is None:
            return
        body = reply.answer.body.encode()
        headers: Headers = [("Content-Type", reply.content_type), *reply.headers]
        if reply.katapult:
            headers += katapult_headers(reply.answer, entry.request_id, body)
        self.engine.state.answered(entry, reply.answer.status, reply.answer.code)
        second = wire_faults.SECOND_ANSWER if reply.twice else b""
        self.send(reply.answer.status, headers, body, cut=reply.cut, second=second)

    def send(
        self,
        status: int,
        headers: Headers,
        body: bytes,
        *,
        cut: bool = False,
        second: bytes = b"",
    ) -> None:
        """One answer in one write. `cut` closes halfway through the body; `second` follows."""
        if self.transport is None:
            return
        lines = [("Date", today(int(time.time()))), *headers, ("Content-Length", str(len(body)))]
        data = (
            self.wire.send(
                h11.Response(status_code=status, headers=lines, reason=REASONS.get(status, b""))
            )
            or b""
        )
        if self.head is not None and self.head.method != b"HEAD" and status not in {204, 304}:
            data += self.wire.send(h11.Data(data=body[: len(body) // 2] if cut else body)) or b""
        if cut:
            self.transport.write(data)
            self.transport.close()
            return
        data += self.wire.send(h11.EndOfMessage()) or b""
        self.transport.write(data + second)
        if self.wire.our_state is h11.DONE and self.wire.their_state is h11.DONE:
            self.wire.start_next_cycle()
        else:
            self.transport.close()

    def stop(self) -> None:
        """Close at once; what the client was still to be sent is dropped."""
        if self.transport is not None:
            self.transport.abort()

    def abort(self) -> None:
        """Reset the connection: the client sees no orderly end."""
        if self.transport is None:
            return
        linger = struct.pack("ii", 1, 0)  # on, for 0 seconds: close with RST
        peer = self.transport.get_extra_info("socket")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.transport.abort()


@lru_cache(maxsize=2)
def today(second: int) -> str:
    return formatdate(second, usegmt=True)


def katapult_headers(answer: Answer, request_id: str, body: bytes) -> Headers:
    """As recorded: caching and a weak ETag on success, none and a schema on errors [seen]."""
    headers: Headers = [("X-Request-Id", request_id)]
    if answer.status < 300:
        digest = hashlib.sha256(body).hexdigest()[:32]
        headers += [
            ("Cache-Control", "max-age=0, private, must-revalidate"),
            ("ETag", f'W/"{digest}"'),
        ]
    else:
        headers += [("Cache-Control", "no-cache"), ("X-Api-Schema", "json-error")]
    if answer.status != 500 and answer.permitted is not None:
        headers += [
            ("X-Ratelimit-Permitted", str(answer.permitted)),
            ("X-Ratelimit-Remaining", str(answer.remaining)),
        ]
    return headers
