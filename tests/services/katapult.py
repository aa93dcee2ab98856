"""An imitation of Katapult in memory, with one address. Tests set its answers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import httpx

from ipadmin.katapult.client import KatapultClient
from ipadmin.services import api

IP = "ip_0000000000000001"
ADDRESS = "192.0.2.7"
VM = "vm_0000000000000001"
OTHER_VM = "vm_0000000000000002"
MACHINE = "/core/v1/virtual_machines/virtual_machine"
MACHINES = "/core/v1/organizations/organization/virtual_machines"
REQUEST_ID = "11111111-2222-3333-4444-555555555555"
HEADERS = {
    "X-Request-Id": REQUEST_ID,
    "X-Ratelimit-Permitted": "1000",
    "X-Ratelimit-Remaining": "982",
}

Answer = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


def refusal(status: int, code: str, detail: Any = None, description: str = "Why") -> httpx.Response:
    """An error as the live API wraps it."""
    error = {"code": code, "description": description, "detail": detail or {}}
    return httpx.Response(status, json={"error": error}, headers=HEADERS)


def html(status: int = 502) -> httpx.Response:
    return httpx.Response(status, html="<h1>Bad gateway</h1>")


class Katapult:
    """`reads` and `posts` are the answers to the next calls. After them, a read shows the address
    allocated to `holder`, and a POST unallocates it. `machines` are the virtual machines, in full;
    without any, the token may not read them. `probes` are the answers to the next calls that
    unallocate nothing, which are in no other list."""

    def __init__(self) -> None:
        self.reads: deque[Answer] = deque()
        self.posts: deque[Answer] = deque()
        self.probes: deque[httpx.Response] = deque()
        self.requests: list[httpx.Request] = []
        self.holder: str | None = VM
        self.more: dict[str, Any] = {}
        self.machines: list[dict[str, Any]] = []

    @property
    def sent(self) -> list[httpx.Request]:
        return [request for request in self.requests if request.method == "POST"]

    @property
    def methods(self) -> str:
        return " ".join(request.method for request in self.requests)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.content == b'{"ip_address":{}}':
            return self.probes.popleft() if self.probes else refusal(400, "invalid_argument")
        self.requests.append(request)
        if request.url.path in {MACHINE, MACHINES}:
            return self.of_machines(request)
        script = self.posts if request.method == "POST" else self.reads
        answer = script.popleft() if script else self.usual(request)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else answer(request)

    def of_machines(self, request: httpx.Request) -> httpx.Response:
        id = request.url.params.get("virtual_machine[id]")
        found = [each for each in self.machines if id in {None, each["id"]}]
        if not self.machines:
            return refusal(403, "scope_not_granted", {"scopes": ["virtual_machines:read"]})
        if not found:
            return refusal(404, "virtual_machine_not_found")
        body = {"virtual_machine": found[0]} if id else {"virtual_machines": found}
        return httpx.Response(200, json=body, headers=HEADERS)

    def usual(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return self.land(request)
        return httpx.Response(200, json=self.body(), headers=HEADERS)

    def land(self, _: httpx.Request | None = None) -> httpx.Response:
        self.holder = None
        return httpx.Response(200, json={}, headers=HEADERS)

    def landing_in_silence(self, _: httpx.Request) -> httpx.Response:
        """The address is unallocated, but no answer arrives."""
        self.land()
        raise httpx.ReadTimeout("timed out")

    def body(self) -> dict[str, Any]:
        kind = self.holder and "VirtualMachine"
        held = {"type": kind, "value": {"id": self.holder, "name": "web-01"}}
        address = {
            "id": IP,
            "address": ADDRESS,
            "reverse_dns": "web-01.example.net" if self.holder else "192-0-2-7.rdns.katapult.io",
            "vip": False,
            "label": "shop",
            "allocation_id": self.holder,
            "allocation_type": kind,
        }
        return {"ip_address": address | self.more, "allocation": held if self.holder else None}

    def client(self) -> KatapultClient:
        return KatapultClient(
            "http://katapult.test",
            user_agent="tests",
            observe=api.observe,
            transport=httpx.MockTransport(self),
        )
