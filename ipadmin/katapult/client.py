"""The only way to Katapult: typed calls in, typed values or a KatapultError out."""

from __future__ import annotations

import ipaddress
import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.cookiejar import CookieJar
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx

from ipadmin.katapult import responses
from ipadmin.katapult.errors import (
    AnswerLost,
    KatapultError,
    NoFreeConnection,
    NotSent,
    UnreadableAnswer,
)
from ipadmin.katapult.redaction import Redaction
from ipadmin.katapult.transport import Transport, deadline
from ipadmin.katapult.types import (
    CurrentUser,
    Exchange,
    IPAddress,
    Organization,
    Page,
    Reply,
    Secret,
)

T = TypeVar("T")

logger = logging.getLogger(__name__)

BASE_PATH = "/core/v1"
# The largest page seen is about 60 KiB; anything near this is not an answer of the API.
MAX_ANSWER_BYTES = 8 * 1024 * 1024
# Above 200 the API answers `invalid_argument`. [seen]
MAX_PER_PAGE = 200
# What a header can carry. h11 quotes a value that it refuses, so such a token must not reach it.
TOKEN = re.compile(r"[\x21-\x7e]+", re.ASCII)

# Those of httpx's exceptions that come before the request has left us. All others come later.
NOT_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
)


def is_loopback(url: str) -> bool:
    """Whether the URL's host can only be this machine."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. `connect`, `write` and `read` are for one operation on a socket (`read` is the
    longest silence between two pieces of an answer), `pool` is for a free connection, and `total`
    is the deadline of a whole call, from the wait for a connection to the last byte."""

    connect: float = 5.0
    write: float = 10.0
    read: float = 20.0
    pool: float = 5.0
    total: float = 30.0


class _NoCookies(CookieJar):
    """One client serves every token: what an answer to one sets must not travel with another."""

    def extract_cookies(self, response: object, request: object) -> None:
        pass


def _stay(response: httpx.Response) -> None:
    """httpx prepares even a redirect it does not follow, and loses the answer if that fails."""
    response.headers.pop("Location", None)


class KatapultClient:
    """One pool of connections for the whole process; safe to share between threads.

    Every call takes the token it acts with, returns a Reply, and raises only KatapultError.
    Redirects are not followed and nothing is retried: a repeated POST is another action.
    `observe` is told of each exchange and of the error it ended with, if any; should it fail
    itself, that is logged and changes nothing.
    """

    def __init__(
        self,
        api_url: str,
        *,
        user_agent: str,
        timeouts: Timeouts | None = None,
        max_connections: int = 16,
        observe: Callable[[Exchange, KatapultError | None], None] | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._timeouts = timeouts or Timeouts()
        self._observe = observe
        self._api_url = api_url.strip().rstrip("/").removesuffix(BASE_PATH) + BASE_PATH
        self._user_agent = user_agent
        pooled, fresh = (
            transport or Transport(max_connections=max_connections, reuse=reuse)
            for reuse in (True, False)
        )
        self._http = self._http_client(pooled)
        # For changes, and for readings that decide about one: see `Transport`.
        self._fresh_http = self._http_client(fresh)

    def _http_client(self, transport: httpx.BaseTransport) -> httpx.Client:
        timeouts = self._timeouts
        return httpx.Client(
            base_url=self._api_url,
            headers={
                "User-Agent": self._user_agent,
                "Accept": "application/json",
                # What was never packed cannot unfold past MAX_ANSWER_BYTES.
                "Accept-Encoding": "identity",
            },
            cookies=_NoCookies(),
            timeout=httpx.Timeout(
                connect=timeouts.connect,
                read=timeouts.read,
                write=timeouts.write,
                pool=min(timeouts.pool, timeouts.total),
            ),
            follow_redirects=False,
            event_hooks={"response": [_stay]},
            # A proxy or a .netrc found in the environment must not see tokens unasked.
            trust_env=False,
            transport=transport,
        )

    def close(self) -> None:
        self._http.close()
        self._fresh_http.close()

    def current_user(self, token: Secret) -> Reply[CurrentUser]:
        """`GET /users/current`: needs no scope; 404 for a token that has no user. [doc]"""
        return self._call(token, "GET", "/users/current", parse=responses.current_user)

    def organizations(self, token: Secret) -> Reply[tuple[Organization, ...]]:
        """`GET /organizations`: needs `organizations:read`; not paginated. [doc]"""
        return self._call(token, "GET", "/organizations", parse=responses.organizations)

    def ip_addresses(
        self,
        token: Secret,
        organization: Organization,
        *,
        page: int = 1,
        per_page: int = MAX_PER_PAGE,
        allocated: bool | None = None,
    ) -> Reply[Page[IPAddress]]:
        """One page of an organization's addresses, looked up by id, or by sub-domain where the
        id is not known. Carries no labels, networks or names. [doc]"""
        query: dict[str, str | int] = {"page": page, "per_page": per_page}
        if organization.id:
            query["organization[id]"] = organization.id
        else:
            query["organization[sub_domain]"] = organization.sub_domain
        if allocated is not None:
            query["allocated"] = "true" if allocated else "false"
        path = "/organizations/organization/ip_addresses"
        return self._call(token, "GET", path, query=query, parse=responses.ip_addresses)

    def ip_address(
        self,
        token: Secret,
        *,
        id: str | None = None,
        address: str | None = None,
        known_address: str | None = None,
        fresh: bool = False,
    ) -> Reply[IPAddress]:
        """One address, by id or by its text; 404 `ip_address_not_found`. [doc, seen]

        An answer about another id, or about another address than `address` or `known_address` (the
        one that the id belongs to: an id stays with its address [seen]), is an UnreadableAnswer.
        `fresh` reads over a connection of its own, as changes do.
        """
        query = {f"ip_address[{key}]": value for key, value in _one_of(id, address).items()}

        def parse(body: Any) -> IPAddress:
            return responses.is_about(
                responses.ip_address(body), id=id, address=address or known_address
            )

        path = "/ip_addresses/ip_address"
        return self._call(token, "GET", path, query=query, parse=parse, fresh=fresh)

    def unallocate(
        self, token: Secret, *, id: str | None = None, address: str | None = None
    ) -> Reply[None]:
        """Take the address away from whatever holds it, at once. Sent exactly once, over a
        connection of its own. [doc, seen]

        By id or by address, and by exactly one of them: "All 'ip_address[]' params are mutually
        exclusive" [doc]. Raises TypeError for none or both.
        """
        path = "/ip_addresses/ip_address/unallocate"
        body = {"ip_address": _one_of(id, address)}
        return self._call(token, "POST", path, body=body, parse=responses.nothing, fresh=True)

    def _call(
        self,
        token: Secret,
        method: str,
        path: str,
        *,
        parse: Callable[[Any], T],
        query: Mapping[str, str | int] | None = None,
        body: Mapping[str, Any] | None = None,
        fresh: bool = False,
    ) -> Reply[T]:
        redaction = Redaction(token)
        call = _Call(method, BASE_PATH + path, time.monotonic(), token.fingerprint, redaction)
        try:
            request = self._request(call, token, path, query, body)
            http = self._fresh_http if fresh else self._http
            content = redaction.content(self._send(call, request, http))
            exchange = call.exchange
            reply = Reply(responses.read(content, exchange, parse, redaction), exchange)
        except KatapultError as error:
            self._tell(error.exchange, error)
            raise
        self._tell(exchange, None)
        return reply

    def _tell(self, exchange: Exchange, error: KatapultError | None) -> None:
        try:
            if self._observe:
                self._observe(exchange, error)
        except Exception:
            logger.exception("The observer of %s %s failed", exchange.method, exchange.path)

    def _request(
        self,
        call: _Call,
        token: Secret,
        path: str,
        query: Mapping[str, str | int] | None,
        body: Mapping[str, Any] | None,
    ) -> httpx.Request:
        if not TOKEN.fullmatch(token.reveal()):
            raise NotSent("the token cannot be written into a header", call.exchange)
        try:
            request = self._http.build_request(call.method, path, params=query, json=body)
        except (ValueError, TypeError, httpx.InvalidURL) as error:
            raise NotSent("the request could not be written", call.exchange) from error
        # Not before: an error above must not come with the token among its local variables.
        request.headers["Authorization"] = f"Bearer {token.reveal()}"
        return request

    def _send(self, call: _Call, request: httpx.Request, http: httpx.Client) -> bytes:
        """The border: whatever httpx raises leaves here as a KatapultError."""
        try:
            with deadline(self._timeouts.total):
                response = http.send(request, stream=True)
                try:
                    call.answered(response)
                    return self._body(call, response)
                finally:
                    response.close()
        except KatapultError:
            raise
        except Exception as error:
            _strip(error)
            raise _mapped(error, call) from error

    def _body(self, call: _Call, response: httpx.Response) -> bytes:
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise UnreadableAnswer("the answer is packed, which was not asked for", call.exchange)
        content = bytearray()
        for chunk in response.iter_bytes():
            content += chunk
            if len(content) > MAX_ANSWER_BYTES:
                raise UnreadableAnswer("the answer is too large", call.exchange)
        return bytes(content)


def _one_of(id: str | None, address: str | None) -> dict[str, str]:
    if id is not None and address is None:
        return {"id": id}
    if address is not None and id is None:
        return {"address": address}
    raise TypeError("an address is named by its id or by its text, and by exactly one of them")


@dataclass(slots=True)
class _Call:
    """A call under way, and what its exchange would say at this moment."""

    method: str
    path: str
    started: float
    token_fingerprint: str
    redaction: Redaction
    status: int | None = None
    headers: Mapping[str, str] | None = None

    def answered(self, response: httpx.Response) -> None:
        self.status, self.headers = response.status_code, response.headers

    @property
    def exchange(self) -> Exchange:
        headers = responses.read_headers(self.headers or {}, self.redaction)
        duration = time.monotonic() - self.started
        return Exchange(
            self.method,
            self.path,
            duration,
            self.status,
            token_fingerprint=self.token_fingerprint,
            **headers,
        )


def _mapped(error: Exception, call: _Call) -> KatapultError:
    """What an exception of httpx means. Whatever is not known to come before the request has
    left us comes after it, and once an answer has begun, everything does."""
    said = call.redaction.text(str(error))
    reason = responses.text(f"{type(error).__name__}: {said}")[:200].rstrip(": ")
    if isinstance(error, httpx.DecodingError):
        return UnreadableAnswer(reason, call.exchange)
    if isinstance(error, httpx.PoolTimeout) and call.status is None:
        return NoFreeConnection(reason, call.exchange)
    if isinstance(error, NOT_SENT) and call.status is None:
        return NotSent(reason, call.exchange)
    return AnswerLost(reason, call.exchange)


def _strip(error: BaseException | None) -> None:
    """Take the tracebacks off an error and all behind it: the local variables of httpx, httpcore
    and h11 hold the Authorization header, and some tools print them."""
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__
