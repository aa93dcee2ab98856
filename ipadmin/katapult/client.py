"""The client of the Katapult Core API: one method for each call that this product makes."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar
from urllib.parse import urlsplit

import httpx

from ipadmin.katapult import responses
from ipadmin.katapult.call import Call
from ipadmin.katapult.errors import ErrorAnswer, KatapultError, NotSent
from ipadmin.katapult.transport import Transport, http_client
from ipadmin.katapult.types import (
    Exchange,
    IPAddress,
    Organization,
    Page,
    Reply,
    Secret,
    VirtualMachine,
)

T = TypeVar("T")

logger = logging.getLogger(__name__)

BASE_PATH = "/core/v1"
# Above 200 the API answers `invalid_argument`. [seen]
MAX_PER_PAGE = 200
# How long a call waits for a free connection. Short, so that calls do not queue while the API
# does not answer.
POOL_TIMEOUT_SECONDS = 2.0
# Answers to an unallocation without an address: the token and its scopes were accepted. [frame]
ABOUT_ARGUMENTS = frozenset(
    {"invalid_argument", "missing_required_argument", "ip_address_not_found"}
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
    """Seconds: `connect` for a connection, `read` for the longest silence between two pieces of an
    answer, `total` for the whole call, from the wait for a connection to the last byte."""

    connect: float = 5.0
    read: float = 20.0
    total: float = 30.0

    @property
    def of_each_operation(self) -> httpx.Timeout:
        # The deadline of the call is enough for a write: a request is smaller than one packet.
        pool = min(POOL_TIMEOUT_SECONDS, self.total)
        return httpx.Timeout(connect=self.connect, read=self.read, write=self.total, pool=pool)


class KatapultClient:
    """The connections of the whole process; safe to share between threads.

    Each call takes the token to use, returns a Reply, and raises only KatapultError. Redirects are
    not followed and nothing is retried, because a repeated POST is another action; only a GET that
    refused an access token is sent once more, with a renewed one. `observe` is called after each
    call with its exchange and its error, if any; an exception in it is only logged.
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
        base_url = api_url.strip().rstrip("/").removesuffix(BASE_PATH) + BASE_PATH
        # The second one is for changes, and for readings that decide the outcome of one.
        self._http, self._fresh_http = (
            http_client(
                base_url,
                user_agent,
                self._timeouts.of_each_operation,
                transport or Transport(max_connections=max_connections, reuse=reuse),
            )
            for reuse in (True, False)
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
        allocated: bool | None = None,
    ) -> Reply[Page[IPAddress]]:
        """One page of the addresses of an organization, which is named by its id, or by its
        sub-domain where the id is not known. A list has no labels, networks or names. [doc]"""
        query = _page_of(organization, page, per_page)
        if allocated is not None:
            query["allocated"] = "true" if allocated else "false"
        path = "/organizations/organization/ip_addresses"
        return self._call(token, "GET", path, query=query, parse=responses.ip_addresses)

    def virtual_machines(
        self,
        token: Secret,
        organization: Organization,
        *,
        page: int = 1,
        per_page: int = MAX_PER_PAGE,
    ) -> Reply[Page[VirtualMachine]]:
        """One page of the virtual machines of an organization: needs `virtual_machines:read`.
        [doc]"""
        query = _page_of(organization, page, per_page)
        path = "/organizations/organization/virtual_machines"
        return self._call(token, "GET", path, query=query, parse=responses.virtual_machines)

    def virtual_machine(self, token: Secret, id: str) -> Reply[VirtualMachine]:
        """One virtual machine with its state and all of its addresses: needs
        `virtual_machines:read`; 404 `virtual_machine_not_found`, 406 `object_in_trash`. [doc]"""
        path = "/virtual_machines/virtual_machine"
        query = _query("virtual_machine", {"id": id})
        parse = partial(responses.virtual_machine, id=id)
        return self._call(token, "GET", path, query=query, parse=parse)

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
        query = _query("ip_address", _lookup(id, address))

        path = "/ip_addresses/ip_address"
        parse = partial(responses.ip_address, id=id, address=address or known_address)
        return self._call(token, "GET", path, query=query, parse=parse, fresh=fresh)

    def unallocate(
        self, token: Secret, *, id: str | None = None, address: str | None = None
    ) -> Reply[None]:
        """Unallocate an address, by either id or its text, at once. Sent exactly once, over a new
        connection. [doc, seen]"""
        path = "/ip_addresses/ip_address/unallocate"
        body = {"ip_address": _lookup(id, address)}
        return self._call(token, "POST", path, body=body, parse=responses.nothing, fresh=True)

    def allocate(
        self, token: Secret, machine_id: str, *, id: str, known_address: str | None = None
    ) -> Reply[IPAddress]:
        """Allocate an address to a virtual machine, on an interface that Katapult chooses. Sent
        exactly once, over a new connection. 404 `ip_address_not_found`,
        `virtual_machine_not_found`, 406 `object_in_trash` (see `errors.kept_until`), 422
        `ip_already_allocated`, `no_interface_available`. [doc]

        Raises UnreadableAnswer for an answer about another address or allocation.
        """
        path = "/virtual_machines/virtual_machine/allocate_ip"
        body = {"virtual_machine": {"id": machine_id}, "ip_address": {"id": id}}
        parse = partial(
            responses.allocated, id=id, known_address=known_address, machine_id=machine_id
        )
        return self._call(token, "POST", path, body=body, parse=parse, fresh=True)

    def set_reverse_dns(
        self, token: Secret, *, id: str, reverse_dns: str, known_address: str | None = None
    ) -> Reply[IPAddress]:
        """Set the reverse DNS of an address to a host name. Sent exactly once, over a new
        connection. 404 `ip_address_not_found`, 422 `validation_error`. [doc]

        Raises UnreadableAnswer for an answer about another address or host name.
        """
        path = "/ip_addresses/ip_address"
        body = {"ip_address": {"id": id}, "reverse_dns": reverse_dns}
        parse = partial(
            responses.renamed, id=id, known_address=known_address, reverse_dns=reverse_dns
        )
        return self._call(token, "PATCH", path, body=body, parse=parse, fresh=True)

    def probe_unallocate(self, token: Secret) -> Reply[None]:
        """Find out whether a token has the scope to unallocate. Nothing can change: the call names
        no address, and the API checks token and scopes first, then arguments, then acts. [frame]

        `{"ip_address": {}}` is a lookup without a value, which ends with `invalid_argument` or
        `missing_required_argument`: the scope is there. (Without the key, the API would take the
        path segment for an id, which ends with `ip_address_not_found`. [frame])

        Raises KatapultError otherwise: ErrorAnswer with `scope_not_granted` [doc] for a token
        without the scope. The permissions of the token's user are not checked by this call.
        """
        path = "/ip_addresses/ip_address/unallocate"
        try:
            return self._call(
                token, "POST", path, body={"ip_address": {}}, parse=responses.nothing, fresh=True
            )
        except ErrorAnswer as error:
            if error.code not in ABOUT_ARGUMENTS:
                raise
            return Reply(None, error.exchange)

    def _call(
        self,
        token: Secret,
        method: str,
        path: str,
        *,
        parse: Callable[[object], T],
        query: dict[str, str] | None = None,
        body: Mapping[str, object] | None = None,
        fresh: bool = False,
    ) -> Reply[T]:
        secret = token.newest
        http = self._fresh_http if fresh else self._http
        try:
            call = Call(method, BASE_PATH + path, secret)
            try:
                request = http.build_request(method, path, params=query, json=body)
            except (ValueError, TypeError, httpx.InvalidURL) as error:
                raise NotSent("the request could not be built", call.exchange) from error
            # Last, so that the token is not among the local variables of the errors above.
            request.headers["Authorization"] = f"Bearer {secret.reveal()}"
            content = call.send(http, request, self._timeouts.total)
            exchange = call.exchange
            value = responses.read(content, exchange, parse, call.redaction)
        except KatapultError as error:
            self._notify_observer(error.exchange, error)
            is_expired = method == "GET" and error.code == "invalid_api_token"
            if is_expired and (renewed := token.renew(secret)):
                return self._call(renewed, method, path, parse=parse, query=query, fresh=fresh)
            raise
        self._notify_observer(exchange, None)
        return Reply(value, exchange)

    def _notify_observer(self, exchange: Exchange, error: KatapultError | None) -> None:
        try:
            if self._observe:
                self._observe(exchange, error)
        except Exception:
            logger.exception("The observer of %s %s failed", exchange.method, exchange.path)


def _page_of(organization: Organization, page: int, per_page: int) -> dict[str, str]:
    lookup = {"id": organization.id} if organization.id else {"sub_domain": organization.sub_domain}
    return _query("organization", lookup) | {"page": str(page), "per_page": str(per_page)}


def _query(name: str, lookup: dict[str, str]) -> dict[str, str]:
    return {f"{name}[{key}]": value for key, value in lookup.items()}


def _lookup(id: str | None, address: str | None) -> dict[str, str]:
    """Raises TypeError for none or both: the lookups of an address exclude each other. [doc]"""
    lookup = {"id": id, "address": address}
    given = {key: value for key, value in lookup.items() if value is not None}
    if len(given) != 1:
        raise TypeError("either id or address is required, and not both")
    return given
