"""Shapes of the API in our own words: every key that matters, values of our own."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx

from ipadmin.katapult.client import KatapultClient, Timeouts
from ipadmin.katapult.types import Exchange, Organization, Reply, Secret

TOKEN = Secret("planted-token-0123456789")
URL = "http://katapult.test"
ACME = Organization(id="org_0000000000000001", name="Acme", sub_domain="acme")
IP = "ip_0000000000000001"
VM = "vm_0000000000000001"
LIMITS = {
    "X-Request-Id": "11111111-2222-3333-4444-555555555555",
    "X-Ratelimit-Permitted": "1000",
    "X-Ratelimit-Remaining": "982",
}

ORGANIZATION = {"id": ACME.id, "name": "Acme", "sub_domain": "acme", "suspended": False}
USER = {"user": {"name": "Ann"}, "organizations": [ORGANIZATION], "api_token_id": "x"}
PAGINATION = {"current_page": 1, "total_pages": 1, "total": 1, "per_page": 200, "large_set": False}
LISTED = {
    "id": IP,
    "address": "192.0.2.7",
    "reverse_dns": "web.example.net",
    "vip": False,
    "allocation_id": VM,
    "allocation_type": "VirtualMachine",
}
READ = LISTED | {
    "label": None,
    "address_with_mask": "192.0.2.7/22",
    "network": {"id": "netw_0000000000000001", "name": "Public Network", "default": True},
    "subnet": {"mask": 22, "version": 4},
}
ALLOCATION = {"type": "VirtualMachine", "value": {"id": VM, "name": "web"}}
FREE = READ | {
    "reverse_dns": "192-0-2-7.rdns.katapult.io",
    "allocation_id": None,
    "allocation_type": None,
}

ADDRESS_ANSWER = {"ip_address": READ, "allocation": ALLOCATION}
PAGE_ANSWER = {"pagination": PAGINATION, "ip_addresses": [LISTED]}

Call = Callable[[KatapultClient, Secret], Reply[Any]]

# Each call with an answer that suits it.
CALLS: dict[str, tuple[Call, Any]] = {
    "user_organizations": (lambda client, token: client.user_organizations(token), USER),
    "organizations": (
        lambda client, token: client.organizations(token),
        {"organizations": [ORGANIZATION]},
    ),
    "ip_addresses": (lambda client, token: client.ip_addresses(token, ACME), PAGE_ANSWER),
    "ip_address by id": (lambda client, token: client.ip_address(token, id=IP), ADDRESS_ANSWER),
    "ip_address by text": (
        lambda client, token: client.ip_address(token, address="192.0.2.7"),
        ADDRESS_ANSWER,
    ),
    "unallocate": (lambda client, token: client.unallocate(token, id=IP), {}),
    "allocate": (lambda client, token: client.allocate(token, VM, id=IP), {"ip_address": READ}),
    "set_reverse_dns": (
        lambda client, token: client.set_reverse_dns(
            token, id=IP, reverse_dns="web.example.net", known_address="192.0.2.7"
        ),
        {"ip_address": READ},
    ),
}
CHANGES = ("unallocate", "allocate", "set_reverse_dns")


def unallocate(client: KatapultClient) -> Reply[None]:
    return client.unallocate(TOKEN, id=IP)


def client_for(
    handler: Callable[[httpx.Request], httpx.Response],
    *,
    url: str = URL,
    timeouts: Timeouts | None = None,
    observe: Callable[[Exchange, Exception | None], None] | None = None,
) -> KatapultClient:
    return KatapultClient(
        url,
        user_agent="ipadmin/1.2.3",
        timeouts=timeouts,
        observe=observe,
        transport=httpx.MockTransport(handler),
    )


def answering(body: Any, status: int = 200, headers: Any = None) -> KatapultClient:
    """A client whose every call is answered with these bytes, or with this JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    def handler(request: httpx.Request) -> httpx.Response:
        stream = httpx.ByteStream(content)
        return httpx.Response(status, headers=LIMITS if headers is None else headers, stream=stream)

    return client_for(handler)
