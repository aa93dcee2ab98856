"""The calls of the API: one table, `CALLS`, with a function for each that answers it.

To add a call, add its function and a line in the table. Nothing else needs to know it: routing,
tokens, rate limit, scopes, lookups, ledger and faults work from the table.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass

from . import addresses, machines
from .bodies import Body, organization_body
from .context import Context
from .errors import ApiError

UNKNOWN_CALL = "unknown"


def current_user(context: Context) -> Body:
    if not context.token.has_user:
        raise ApiError("no_user_associated_with_identity")
    user_id = context.state.world.user_id
    return {
        "user": {
            "id": user_id,
            "first_name": "Robin",
            "last_name": "Example",
            "avatar_url": "https://avatars.example/robin.png",
        },
        "organizations": [organization_body(each) for each in context.organizations()],
        "api_token_id": f"atok_{user_id.removeprefix('user_')}",
    }


def organizations(context: Context) -> Body:
    return {"organizations": [asdict(each) for each in context.organizations()]}


@dataclass(frozen=True, slots=True)
class Call:
    """`name` is that of the ledger and of faults. A token needs one of `scopes`, if there are any.
    `lookups` are read before anything is looked for [frame]."""

    name: str
    method: str
    path: str
    answer: Callable[[Context], Body]
    scopes: tuple[str, ...] = ()
    lookups: tuple[str, ...] = ()


MACHINES = "/organizations/:organization/virtual_machines"
READ_MACHINES = ("virtual_machines:read", "virtual_machines")
READ, WRITE = ("ip_addresses:read", "ip_addresses"), ("ip_addresses",)
ADDRESSES = "/organizations/:organization/ip_addresses"
ALLOCATE = "/virtual_machines/:virtual_machine/allocate_ip"
CALLS = (
    Call("current_user", "GET", "/users/current", current_user),
    Call("organizations", "GET", "/organizations", organizations, ("organizations:read",)),
    Call("list", "GET", ADDRESSES, addresses.list_addresses, READ, ("organization",)),
    Call("get", "GET", "/ip_addresses/:ip_address", addresses.get_ip_address, READ),
    Call("machines", "GET", MACHINES, machines.list_machines, READ_MACHINES, ("organization",)),
    Call(
        "machine", "GET", "/virtual_machines/:virtual_machine", machines.get_machine, READ_MACHINES
    ),
    Call("unallocate", "POST", "/ip_addresses/:ip_address/unallocate", addresses.unallocate, WRITE),
    Call(
        "allocate", "POST", ALLOCATE, addresses.allocate, WRITE, ("virtual_machine", "ip_address")
    ),
    Call("set_reverse_dns", "PATCH", "/ip_addresses/:ip_address", addresses.set_reverse_dns, WRITE),
)
PATTERNS = [
    (call, re.compile("/core/v1" + re.sub(r":(\w+)", r"(?P<\1>[^/]*)", call.path)))
    for call in CALLS
]


def route(method: str, path: str) -> tuple[Call | None, dict[str, str]]:
    """The call and the segments of its path, by lookup. Trailing slashes are ignored."""
    for call, pattern in PATTERNS:
        if call.method == method and (match := pattern.fullmatch(path.rstrip("/"))):
            return call, match.groupdict()
    return None, {}
