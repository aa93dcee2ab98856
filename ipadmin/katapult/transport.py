"""Connections to Katapult that limit the duration of a whole call.

httpx and httpcore apply a timeout to each single operation, so a server that sends one byte now and
then can delay a call without limit. Here every operation on a socket (resolving, connecting, the
TLS handshake, each write, each read) may take only the time that is left until the call's deadline.
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from http.cookiejar import CookieJar

import httpcore
import httpx

# The deadline of the current call, on the monotonic clock. Without a default, so that an operation
# outside `deadline` raises LookupError.
_ENDS_AT: ContextVar[float] = ContextVar("ends_at")

AddressInfo = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[object, ...]]


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Limit the time of all network operations of this thread inside the block together."""
    before = _ENDS_AT.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _ENDS_AT.reset(before)


def _time_left(timeout: float | None) -> float:
    """Seconds that one operation may take. Raises TimeoutError when none are left."""
    left = _ENDS_AT.get() - time.monotonic()
    if left <= 0:
        raise TimeoutError("the deadline of the call has passed")
    return left if timeout is None else min(timeout, left)


@contextmanager
def _mapped(timed_out: type[Exception], failed: type[Exception]) -> Iterator[None]:
    """Replace OSError, which includes ssl.SSLError, by the exceptions of httpcore."""
    try:
        yield
    except TimeoutError as error:
        raise timed_out(str(error)) from error
    except OSError as error:
        raise failed(str(error)) from error


class Stream(httpcore.NetworkStream):
    """One connected socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with _mapped(httpcore.ReadTimeout, httpcore.ReadError):
            self._socket.settimeout(_time_left(timeout))
            return self._socket.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        with _mapped(httpcore.WriteTimeout, httpcore.WriteError):
            rest = memoryview(buffer)
            while rest:
                self._socket.settimeout(_time_left(timeout))
                rest = rest[self._socket.send(rest) :]

    def close(self) -> None:
        self._socket.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        with _mapped(httpcore.ConnectTimeout, httpcore.ConnectError):
            try:
                # Python applies a socket's timeout to a handshake as a whole.
                self._socket.settimeout(_time_left(timeout))
                return Stream(
                    ssl_context.wrap_socket(self._socket, server_hostname=server_hostname)
                )
            except BaseException:
                self.close()
                raise

    def get_extra_info(self, info: str) -> object:
        if info == "ssl_object":
            return self._socket if isinstance(self._socket, ssl.SSLSocket) else None
        if info == "is_readable":
            return self._is_readable()
        return self._socket if info == "socket" else None

    def _is_readable(self) -> bool:
        """Whether an idle connection has data or was closed: httpcore then does not reuse it."""
        if self._socket.fileno() < 0:
            return True
        if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            return True
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(0))


class Backend(httpcore.NetworkBackend):
    """Opens TCP connections within the deadline of the call."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002 - part of httpcore's interface
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        with _mapped(httpcore.ConnectTimeout, httpcore.ConnectError):
            ends_at = time.monotonic() + _time_left(timeout)
            failure = OSError(f"{host} has no address")
            for family, kind, protocol, _, address in _resolve(host, port, timeout):
                sock = socket.socket(family, kind, protocol)
                try:
                    # All addresses of the host together have one timeout.
                    sock.settimeout(_time_left(max(0.001, ends_at - time.monotonic())))
                    sock.connect(address)
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                except OSError as error:
                    sock.close()
                    failure = error
                    continue
                return Stream(sock)
            raise failure


def _resolve(host: str, port: int, timeout: float | None) -> list[AddressInfo]:
    """The addresses of a host. Raises TimeoutError. The resolver has no timeout of its own, so it
    runs in a thread that is abandoned when it takes too long."""
    try:
        return _look_up(host, port, socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass
    found: list[AddressInfo | OSError] = []

    def look_up() -> None:
        try:
            found.extend(_look_up(host, port))
        except (OSError, UnicodeError) as error:
            found.append(OSError(str(error)))

    thread = threading.Thread(target=look_up, name="resolver", daemon=True)
    thread.start()
    thread.join(_time_left(timeout))
    if thread.is_alive():
        raise TimeoutError(f"{host} was not resolved in time")
    addresses = [each for each in found if not isinstance(each, OSError)]
    if not addresses:
        raise next((each for each in found if isinstance(each, OSError)), OSError(host))
    return addresses


def _look_up(host: str, port: int, flags: int = 0) -> list[AddressInfo]:
    return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags))


class Transport(httpx.BaseTransport):
    """An httpx transport with a pool of connections of this module.

    With `reuse=False` each request has a new connection, closed after its answer: unread bytes of
    an earlier answer cannot be mistaken for the answer to this request.
    """

    def __init__(self, *, max_connections: int, reuse: bool) -> None:
        self._pool = httpcore.ConnectionPool(
            # Trust the certificates of certifi only, not those that environment variables name.
            ssl_context=httpx.create_ssl_context(trust_env=False),
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


class NoCookies(CookieJar):
    """Stores nothing: one client serves all tokens, and a cookie set for one must not be sent with
    another."""

    def extract_cookies(self, response: object, request: object) -> None:
        pass


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
