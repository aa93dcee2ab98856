"""Connections to Katapult that limit the duration of a whole call.

httpx and httpcore apply a timeout to each single operation, so a server that sends one byte now and
then can delay a call without limit. Here every operation on a socket (resolving, connecting, the
TLS handshake, each write, each read) may take only the time that is left until the call's deadline.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from http.cookiejar import CookieJar
from queue import Empty, SimpleQueue

import httpcore
import httpx

# The deadline of the current call, on the monotonic clock. Without a default, so that an operation
# outside `deadline` raises LookupError.
_ENDS_AT: ContextVar[float] = ContextVar("ends_at")


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Limit the time of all network operations of this thread inside the block together."""
    before = _ENDS_AT.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _ENDS_AT.reset(before)


def _time_left(timeout: float | None, timed_out: type[Exception]) -> float:
    """Seconds that one operation may take. Raises `timed_out` when none are left."""
    left = _ENDS_AT.get() - time.monotonic()
    if left <= 0:
        raise timed_out("the deadline of the call has passed")
    return left if timeout is None else min(timeout, left)


class Stream(httpcore.NetworkStream):
    """A connection of httpcore, within the deadline of the call."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _time_left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # One operation: requests are smaller than one packet.
        self._stream.write(buffer, _time_left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        try:
            # Python applies the timeout of a socket to a handshake as a whole.
            left = _time_left(timeout, httpcore.ConnectTimeout)
            return Stream(self._stream.start_tls(ssl_context, server_hostname, left))
        except BaseException:
            self.close()
            raise

    def get_extra_info(self, info: str) -> object:
        found: object = self._stream.get_extra_info(info)
        if info == "is_readable" and not found:
            # httpcore does not reuse an idle connection with data. Data may be decrypted already.
            sock = self._stream.get_extra_info("socket")
            return isinstance(sock, ssl.SSLSocket) and sock.pending() > 0
        return found


class Backend(httpcore.NetworkBackend):
    """Opens TCP connections within the deadline of the call."""

    def __init__(self) -> None:
        self._backend = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        # One timeout for all addresses of the host together.
        ends_at = time.monotonic() + _time_left(timeout, httpcore.ConnectTimeout)
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in _resolve(host, port, timeout):
            left = _time_left(max(0.001, ends_at - time.monotonic()), httpcore.ConnectTimeout)
            try:
                return Stream(
                    self._backend.connect_tcp(address, port, left, local_address, socket_options)
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


def _resolve(host: str, port: int, timeout: float | None) -> list[str]:
    """The IP addresses of a host. Raises httpcore.ConnectError and ConnectTimeout. The resolver has
    no timeout of its own, so it runs in a thread that is abandoned when it takes too long."""
    found: SimpleQueue[list[str] | Exception] = SimpleQueue()

    def look_up() -> None:
        try:
            results = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.put([str(address[0]) for *_, address in results])
        except (OSError, UnicodeError) as error:
            found.put(error)

    threading.Thread(target=look_up, name="resolver", daemon=True).start()
    try:
        result = found.get(timeout=_time_left(timeout, httpcore.ConnectTimeout))
    except Empty as error:
        raise httpcore.ConnectTimeout(f"{host} was not resolved in time") from error
    if isinstance(result, Exception):
        raise httpcore.ConnectError(str(result)) from result
    return result


@cache
def _trust() -> ssl.SSLContext:
    """Trusts the certificates of certifi only, not those that environment variables name. One for
    the process, because reading them takes longer than many a call."""
    return httpx.create_ssl_context(trust_env=False)


class Transport(httpx.BaseTransport):
    """An httpx transport with a pool of connections of this module.

    With `reuse=False` each request has a new connection, closed after its answer: unread bytes of
    an earlier answer cannot be mistaken for the answer to this request.
    """

    def __init__(self, *, max_connections: int, reuse: bool) -> None:
        self._pool = httpcore.ConnectionPool(
            ssl_context=_trust(),
            max_connections=max_connections,
            max_keepalive_connections=max_connections if reuse else 0,
            keepalive_expiry=5.0,
            network_backend=Backend(),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        assert isinstance(request.stream, httpx.SyncByteStream)  # noqa: S101 - for the types
        sent = httpcore.Request(
            request.method,
            httpcore.URL(
                scheme=request.url.raw_scheme,
                host=request.url.raw_host,
                port=request.url.port,
                target=request.url.raw_path,
            ),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        with _as_httpx(request):
            answer = self._pool.handle_request(sent)
        return httpx.Response(
            answer.status,
            headers=answer.headers,
            stream=_Body(answer, request),
            extensions=answer.extensions,
        )

    def close(self) -> None:
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response, request: httpx.Request) -> None:
        self._answer, self._request = answer, request

    def __iter__(self) -> Iterator[bytes]:
        with _as_httpx(self._request):
            yield from self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


@contextmanager
def _as_httpx(request: httpx.Request) -> Iterator[None]:
    """Replace exceptions of httpcore by those of httpx, which have the same names."""
    try:
        yield
    except (
        httpcore.TimeoutException,
        httpcore.NetworkError,
        httpcore.ProtocolError,
        httpcore.ProxyError,
        httpcore.UnsupportedProtocol,
    ) as error:
        same: type[httpx.RequestError] = getattr(httpx, type(error).__name__)
        raise same(str(error), request=request) from error


def http_client(
    base_url: str, user_agent: str, timeout: httpx.Timeout, transport: httpx.BaseTransport
) -> httpx.Client:
    """An HTTP client that keeps nothing of one call for the next."""
    return httpx.Client(
        base_url=base_url,
        headers={
            "User-Agent": user_agent,
            "Accept": "application/json",
            # A compressed answer could exceed MAX_ANSWER_BYTES when it is decompressed.
            "Accept-Encoding": "identity",
        },
        cookies=_NoCookies(),
        timeout=timeout,
        follow_redirects=False,
        # httpx builds the next request even of a redirect that it does not follow. Where that
        # fails, the answer would be lost.
        event_hooks={"response": [lambda response: response.headers.pop("Location", None)]},
        # Tokens must not go to a proxy that an environment variable names, nor be replaced by the
        # credentials in a .netrc.
        trust_env=False,
        transport=transport,
    )


class _NoCookies(CookieJar):
    """Stores none: one client serves all tokens, and a cookie set for one must not be sent with
    another."""

    def extract_cookies(self, response: object, request: object) -> None:
        pass
