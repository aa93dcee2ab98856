"""The routes of the API, and what its engine knows of one request and its answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from . import bodies, calls
from .arguments import Arguments, Request
from .errors import ApiError
from .tokens import Token
from .world import Address

READ = ("ip_addresses:read", "ip_addresses")
WRITE = ("ip_addresses",)


@dataclass(frozen=True, slots=True)
class Call:
    name: str
    method: str
    path: re.Pattern[str]
    act: Callable[[calls.Context], calls.Result]
    scopes: tuple[str, ...] = ()  # one of them is needed


def _call(
    name: str,
    method: str,
    path: str,
    act: Callable[[calls.Context], calls.Result],
    scopes: tuple[str, ...] = (),
) -> Call:
    pattern = re.sub(r":(\w+)", r"(?P<\1>[^/]*)", path)
    return Call(name, method, re.compile(f"/core/v1{pattern}"), act, scopes)


CALLS = (
    _call("current_user", "GET", "/users/current", calls.current_user),
    _call("organizations", "GET", "/organizations", calls.organizations, ("organizations:read",)),
    _call("list", "GET", "/organizations/:organization/ip_addresses", calls.list_addresses, READ),
    _call("get", "GET", "/ip_addresses/:ip_address", calls.get_ip_address, READ),
    _call("unallocate", "POST", "/ip_addresses/:ip_address/unallocate", calls.unallocate, WRITE),
    _call(
        "allocate",
        "POST",
        "/virtual_machines/:virtual_machine/allocate_ip",
        calls.allocate,
        WRITE,
    ),
)
UNKNOWN_CALL = "unknown"


@dataclass(slots=True)
class Exchange:
    """A request with its call, arguments, token and address, as far as they exist."""

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
    """What is sent. Rate limits are left out on a 500 [seen]."""

    status: int
    body: str
    code: str | None = None
    permitted: int | None = None
    remaining: int | None = None


def route(request: Request) -> tuple[Call | None, dict[str, str]]:
    """The call and the segments of its path, by lookup. Trailing slashes are ignored."""
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
