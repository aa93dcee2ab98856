"""One call under way: it sends a request within its deadline, and maps exceptions of httpx to
errors of `errors.py`."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

from ipadmin.katapult import responses, values
from ipadmin.katapult.errors import (
    AnswerLost,
    KatapultError,
    NoFreeConnection,
    NotSent,
    UnreadableAnswer,
)
from ipadmin.katapult.redaction import Redaction
from ipadmin.katapult.transport import deadline
from ipadmin.katapult.types import Exchange, Secret

# The largest page seen is about 60 KiB; a much larger answer is not one of the API.
MAX_ANSWER_BYTES = 8 * 1024 * 1024
# The characters that a header can carry. h11 quotes a value that it refuses in its exception, so a
# token with other characters must not reach h11.
HEADER_VALUE = re.compile(r"[\x21-\x7e]+", re.ASCII)

# The exceptions of httpx that occur before anything is sent. All others can occur later.
NOT_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
)


@dataclass(slots=True)
class Call:
    """A call under way. `status` and `headers` are None until an answer begins."""

    method: str
    path: str
    token: Secret
    redaction: Redaction = field(init=False)
    started: float = field(default_factory=time.monotonic)
    status: int | None = None
    headers: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        self.redaction = Redaction(self.token)

    def require_header_value(self) -> None:
        """Raise NotSent when the token cannot be part of a header."""
        if not HEADER_VALUE.fullmatch(self.token.reveal()):
            raise NotSent("the token has characters that no header can carry", self.exchange)

    @property
    def exchange(self) -> Exchange:
        """The exchange as known so far."""
        headers = self.headers or {}
        request_id = self.redaction.text(values.text(headers.get("X-Request-Id")))
        return Exchange(
            self.method,
            self.path,
            time.monotonic() - self.started,
            self.status,
            request_id=request_id[:64] or None,
            rate_limit=responses.rate_limit(headers),
            retry_after=responses.retry_after(headers),
            token_fingerprint=self.token.fingerprint,
        )


def send(call: Call, request: httpx.Request, http: httpx.Client, deadline_seconds: float) -> bytes:
    """The body of the answer, without the token. Raises only KatapultError."""
    try:
        with deadline(deadline_seconds):
            response = http.send(request, stream=True)
            try:
                call.status, call.headers = response.status_code, response.headers
                return call.redaction.content(_body(call, response))
            finally:
                response.close()
    except KatapultError:
        raise
    except Exception as error:
        _remove_tracebacks(error)
        raise _mapped(error, call) from error


def _body(call: Call, response: httpx.Response) -> bytes:
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnreadableAnswer("the answer is compressed, against our request", call.exchange)
    content = bytearray()
    for chunk in response.iter_bytes():
        content += chunk
        if len(content) > MAX_ANSWER_BYTES:
            raise UnreadableAnswer("the answer is too large", call.exchange)
    return bytes(content)


def _mapped(error: Exception, call: Call) -> KatapultError:
    """An exception of httpx as a KatapultError: NotSent only for those that certainly occurred
    before anything was sent."""
    message = call.redaction.text(str(error))
    reason = values.text(f"{type(error).__name__}: {message}")[:200].rstrip(": ")
    if isinstance(error, httpx.DecodingError):
        return UnreadableAnswer(reason, call.exchange)
    if isinstance(error, httpx.PoolTimeout) and call.status is None:
        return NoFreeConnection(reason, call.exchange)
    if isinstance(error, NOT_SENT) and call.status is None:
        return NotSent(reason, call.exchange)
    return AnswerLost(reason, call.exchange)


def _remove_tracebacks(error: BaseException | None) -> None:
    """Remove the tracebacks of an error and of its causes: the local variables of httpx, httpcore
    and h11 hold the Authorization header, and some tools print them."""
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__
