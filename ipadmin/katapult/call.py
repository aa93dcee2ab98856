"""One call under way: it sends a request within its deadline, and maps exceptions of httpx to
errors of `errors.py`."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping

import httpx

from ipadmin.katapult import responses, values
from ipadmin.katapult.errors import (
    AnswerLost,
    KatapultError,
    NoFreeConnection,
    NotSent,
    UnreadableAnswer,
)
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


class Call:
    """A call under way. `status` is None and `headers` are empty until an answer begins.

    Raises NotSent when the token cannot be part of a header.
    """

    def __init__(self, method: str, path: str, token: Secret) -> None:
        self.method, self.path, self.token = method, path, token
        self.started = time.monotonic()
        self.status: int | None = None
        self.headers: Mapping[str, str] = {}
        if not HEADER_VALUE.fullmatch(token.reveal()):
            raise NotSent("the token has characters that no header can carry", self.exchange)
        self.redaction = values.Redaction(token)

    @property
    def exchange(self) -> Exchange:
        """The exchange as known so far."""
        request_id = values.text(self.headers.get("X-Request-Id"))
        return Exchange(
            self.method,
            self.path,
            time.monotonic() - self.started,
            self.status,
            request_id=(request_id and self.redaction.text(request_id)[:64]) or None,
            rate_limit_permitted=values.count(self.headers.get("X-Ratelimit-Permitted")),
            rate_limit_remaining=values.count(self.headers.get("X-Ratelimit-Remaining")),
            retry_after=responses.retry_after(self.headers.get("Retry-After")),
            token_fingerprint=self.token.fingerprint,
        )

    def send(self, http: httpx.Client, request: httpx.Request, deadline_seconds: float) -> bytes:
        """The body of the answer, without the token. Raises only KatapultError."""
        try:
            with deadline(deadline_seconds):
                response = http.send(request, stream=True)
                try:
                    self.status, self.headers = response.status_code, response.headers
                    return self.redaction.content(self._body(response))
                finally:
                    response.close()
        except KatapultError:
            raise
        except Exception as error:
            remove_tracebacks(error)
            raise self._mapped(error) from error

    def _body(self, response: httpx.Response) -> bytes:
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise UnreadableAnswer("the answer is compressed, against our request", self.exchange)
        content = bytearray()
        for chunk in response.iter_bytes():
            content += chunk
            if len(content) > MAX_ANSWER_BYTES:
                raise UnreadableAnswer("the answer is too large", self.exchange)
        return bytes(content)

    def _mapped(self, error: Exception) -> KatapultError:
        """NotSent only for exceptions that certainly occurred before anything was sent."""
        message = self.redaction.text(str(error))
        reason = values.text(f"{type(error).__name__}: {message}")[:200].rstrip(": ")
        kind: type[KatapultError] = AnswerLost
        if isinstance(error, httpx.DecodingError):
            kind = UnreadableAnswer
        elif self.status is None and isinstance(error, httpx.PoolTimeout):
            kind = NoFreeConnection
        elif self.status is None and isinstance(error, NOT_SENT):
            kind = NotSent
        return kind(reason, self.exchange)


def remove_tracebacks(error: BaseException | None) -> None:
    """Remove the tracebacks of an error and of its causes: the local variables of httpx, httpcore
    and h11 hold the Authorization header, and some tools print them."""
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__
