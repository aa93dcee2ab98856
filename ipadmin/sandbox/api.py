"""From a request to an answer: route, token, rate limit, scope, arguments, call.

In that order, which is the live API's [frame]. `open` only looks, so that the ledger can record a
request before anything happens; `answer` acts.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from . import bodies, calls
from .arguments import Arguments, Request, read
from .errors import ApiError
from .ratelimit import RateLimit
from .tokens import LOW_LIMIT, Token, organization_ids
from .world import Address, World

READ = ("ip_addresses:read", "ip_addresses")
WRITE = ("ip_addresses",)


@dataclass(frozen=True, slots=True)
class Call:
    name: str
    method: str
    path: re.Pattern[str]
    act: Callable[[calls.Context], calls.Result]
    scopes: tuple[str, ...] = ()  # any one of them will do


CALLS = tuple(
    Call(name, method, re.compile(rf"/core/v1{path}"), act, scopes)
    for name, method, path, act, scopes in (
        ("current_user", "GET", "/users/current", calls.current_user, ()),
        ("organizations", "GET", "/organizations", calls.organizations, ("organizations:read",)),
        (
            "list",
            "GET",
            r"/organizations/(?P<organization>[^/]*)/ip_addresses",
            calls.list_ip_addresses,
            READ,
        ),
        ("get", "GET", r"/ip_addresses/(?P<ip_address>[^/]*)", calls.get_ip_address, READ),
        (
            "unallocate",
            "POST",
            r"/ip_addresses/(?P<ip_address>[^/]*)/unallocate",
            calls.unallocate,
            WRITE,
        ),
        (
            "allocate",
            "POST",
            r"/virtual_machines/(?P<virtual_machine>[^/]*)/allocate_ip",
            calls.allocate,
            WRITE,
        ),
    )
)
UNKNOWN_CALL = "unknown"


@dataclass(slots=True)
class Exchange:
    """A request, understood as far as that goes without acting on it."""

    request: Request
    call: Call | None
    arguments: Arguments
    token: Token | None
    target: Address | None

    @property
    def name(self) -> str:
        return self.call.name if self.call else UNKNOWN_CALL


@dataclass(slots=True)
class Answer:
    """What is sent, and the change that was made. Rate limits are None on a 500 [seen]."""

    status: int
    body: str
    code: str | None = None
    change: calls.Change | None = None
    permitted: int | None = None
    remaining: int | None = None


class Api:
    """The calls over one world, for the tokens it knows (by secret)."""

    def __init__(
        self, world: World, tokens: dict[str, Token], rate_limit: int, *, large_set: bool = False
    ) -> None:
        self.world = world
        self.tokens = tokens
        self.rate_limit = rate_limit
        self.large_set = large_set
        self.limits = RateLimit()

    def open(self, request: Request) -> Exchange:
        """Understand `request` without changing, counting or refusing anything."""
        call, segments = route(request)
        arguments = read(request, segments)
        token = self.tokens.get(request.token) if request.token else None
        target = None
        try:
            target = self.world.address(*arguments.lookup("ip_address"))
        except ApiError:
            target = None
        return Exchange(request, call, arguments, token, target)

    def answer(self, exchange: Exchange, now: float) -> Answer:
        """Do what was asked, at `now` (seconds since 1970), or say why not."""
        permitted, remaining = self.count(exchange, now)
        try:
            result = self.result(exchange, permitted, remaining)
        except ApiError as error:
            answer = refusal(error)
        else:
            if result.change:
                self.world.apply(result.change)
            answer = Answer(200, result.body(), change=result.change)
        answer.permitted, answer.remaining = permitted, remaining or 0
        return answer

    def permitted(self, token: Token | None) -> int:
        low = token is not None and token.low_limit
        return min(LOW_LIMIT, self.rate_limit) if low else self.rate_limit

    def count(self, exchange: Exchange, now: float) -> tuple[int, int | None]:
        """Count the call against its token: permitted and remaining, None when over."""
        permitted = self.permitted(exchange.token)
        return permitted, self.limits.take(exchange.request.token or "", permitted, now)

    def result(self, exchange: Exchange, permitted: int, remaining: int | None) -> calls.Result:
        if exchange.call is None:
            raise ApiError("route_not_found")
        token = authenticate(exchange)
        if remaining is None:
            raise ApiError("rate_limit_reached", {"total_permitted": permitted})
        scopes = exchange.call.scopes
        if scopes and not token.scopes.intersection(scopes):
            raise ApiError("scope_not_granted", {"scopes": list(scopes)})
        if exchange.arguments.error is not None:
            raise exchange.arguments.error
        owned = organization_ids(token, self.world)
        context = calls.Context(self.world, token, owned, exchange.arguments, self.large_set)
        return exchange.call.act(context)


def route(request: Request) -> tuple[Call | None, dict[str, str]]:
    """The call and its path segments, whatever stands in their place; slashes may trail."""
    path = request.path.rstrip("/")
    for call in CALLS:
        if call.method == request.method and (match := call.path.fullmatch(path)):
            return call, match.groupdict()
    return None, {}


def authenticate(exchange: Exchange) -> Token:
    if not exchange.request.token:
        raise ApiError("missing_api_token")
    token = exchange.token
    if token is None:
        raise ApiError("invalid_api_token", {"details": "No token has this secret"})
    if token.refused == "unauthorized_network_for_api_token":
        raise ApiError(token.refused, {"ip_address": exchange.request.peer})
    if token.refused == "invalid_api_token":
        raise ApiError(token.refused, {"details": "The token has expired"})
    if token.refused:
        raise ApiError(token.refused)
    return token


def refusal(error: ApiError) -> Answer:
    """An error, wrapped as the live API does [seen]."""
    return Answer(error.status, bodies.dump({"error": error.body()}), error.code)
