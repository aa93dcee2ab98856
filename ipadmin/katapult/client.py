"""The client of the Katapult Core API: one method for each call that this product makes."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

import httpx

from ipadmin.katapult import responses
from ipadmin.katapult.call import Call, send
from ipadmin.katapult.errors import KatapultError, NotSent
from ipadmin.katapult.transport import NoCookies, Transport
from ipadmin.katapult.types import (
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
# Above 200 the API answers `invalid_argument`. [seen]
MAX_PER_PAGE = 200
# How long a call waits for a free connection. Short, so that calls do not queue while the API
# does not answer.
POOL_TIMEOUT_SECONDS = 2.0


def is_loopback(url: str) -> bool:
    """Whether the URL's host can only be this machine."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds: `connect` for a connection, `read` for the longest silence between two pieces of an
    answer, `total` for the whole call, from the wait for a connection to the last byte."""

    connect: float = 5.0
    read: float = 20.0
    total: float = 30.0


class KatapultClient:
    """One pool of connections for the whole process; safe to share between threads.

    Each call takes the token to use, returns a Reply, and raises only KatapultError. Redirects are
    not followed and nothing is retried: a repeated POST is another action. `observe` is called
    after each call with its exchange and its error, if any; an exception in it is only logged.
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
        # For changes, and for readings that decide the outcome of one: see `Transport`.
        self._fresh_http = self._http_client(fresh)

    def _http_client(self, transport: httpx.BaseTransport) -> httpx.Client:
        timeouts = self._timeouts
        return httpx.Client(
            base_url=self._api_url,
            headers={
                "User-Agent": self._user_agent,
                "Accept": "application/json",
                # A compressed answer could exceed MAX_ANSWER_BYTES when it is decompressed.
                "Accept-Encoding": "identity",
            },
            cookies=NoCookies(),
            timeout=httpx.Timeout(
                connect=timeouts.connect,
                read=timeouts.read,
                # The deadline of the call is enough: a request is smaller than one packet.
                write=timeouts.total,
                pool=min(POOL_TIMEOUT_SECONDS, timeouts.total),
            ),
            follow_redirects=False,
            event_hooks={"response": [_drop_location]},
            # Tokens must not go to a proxy that an environment variable names, nor be replaced by
            # the credentials in a .netrc.
            trust_env=False,
            transport=transport,
        )

    def close(self) -> None:
        self._http.close()
        self._fresh_http.close()

    def user_organizations(self, token: Secret) -> Reply[tuple[Organization, ...]]:
        """The organizations in `GET /users/current`: needs no scope; 404 for a token that has no
        user. [doc]"""
        return self._call(token, "GET", "/users/current", parse=responses.user_organizations)

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
    ) -> Reply[Page[IPAddress]]:
        """One page of the addresses of an organization, which is named by its id, or by its
        sub-domain where the id is not known. A list has no labels, networks or names. [doc]"""
        query: dict[str, str | int] = {"page": page, "per_page": per_page}
        if organization.id:
            query["organization[id]"] = organization.id
        else:
            query["organization[sub_domain]"] = organization.sub_domain
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
        """One address, by either id or its text; 404 `ip_address_not_found`. [doc, seen]

        Raises UnreadableAnswer for an answer about another id, or about another address than
        `address` or `known_address` (the address known to have this id: an id keeps its address
        [seen]). `fresh` uses a new connection, as changes do.
        """
        query = {f"ip_address[{key}]": value for key, value in _lookup(id, address).items()}

        def parse(body: object) -> IPAddress:
            return responses.is_about(
                responses.ip_address(body), id=id, address=address or known_address
            )

        path = "/ip_addresses/ip_address"
        return self._call(token, "GET", path, query=query, parse=parse, fresh=fresh)

    def unallocate(
        self, token: Secret, *, id: str | None = None, address: str | None = None
    ) -> Reply[None]:
        """Unallocate an address, by either id or its text, at once. Sent exactly once, over a new
        connection. [doc, seen]"""
        path = "/ip_addresses/ip_address/unallocate"
        body = {"ip_address": _lookup(id, address)}
        return self._call(token, "POST", path, body=body, parse=responses.nothing, fresh=True)

    def _call(
        self,
        token: Secret,
        method: str,
        path: str,
        *,
        parse: Callable[[object], T],
        query: Mapping[str, str | int] | None = None,
        body: Mapping[str, object] | None = None,
        fresh: bool = False,
    ) -> Reply[T]:
        call = Call(method, BASE_PATH + path, token)
        try:
            request = self._request(call, path, query, body)
            http = self._fresh_http if fresh else self._http
            content = send(call, request, http, deadline_seconds=self._timeouts.total)
            exchange = call.exchange
            reply = Reply(responses.read(content, exchange, parse, call.redaction), exchange)
        except KatapultError as error:
            self._notify_observer(error.exchange, error)
            raise
        self._notify_observer(exchange, None)
        return reply

    def _notify_observer(self, exchange: Exchange, error: KatapultError | None) -> None:
        try:
            if self._observe:
                self._observe(exchange, error)
        except Exception:
            logger.exception("The observer of %s %s failed", exchange.method, exchange.path)

    def _request(
        self,
        call: Call,
        path: str,
        query: Mapping[str, str | int] | None,
        body: Mapping[str, object] | None,
    ) -> httpx.Request:
        call.require_header_value()
        try:
            request = self._http.build_request(call.method, path, params=query, json=body)
        except (ValueError, TypeError, httpx.InvalidURL) as error:
            raise NotSent("the request could not be built", call.exchange) from error
        # Last, so that the token is not among the local variables of the errors above.
        request.headers["Authorization"] = f"Bearer {call.token.reveal()}"
        return request


def _drop_location(response: httpx.Response) -> None:
    """httpx builds the next request even of a redirect that it does not follow. Where that fails,
    the answer would be lost."""
    response.headers.pop("Location", None)


def _lookup(id: str | None, address: str | None) -> dict[str, str]:
    """Raises TypeError for none or both: the lookups of an address exclude each other. [doc]"""
    if id is not None and address is None:
        return {"id": id}
    if address is not None and id is None:
        return {"address": address}
    raise TypeError("either id or address is required, and not both")
