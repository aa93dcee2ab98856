"""An imitation of Katapult in memory, with many addresses. Several threads may call it."""

from __future__ import annotations

import json
import threading
from collections import defaultdict, deque
from typing import Any

import httpx

from ipadmin.katapult.client import KatapultClient
from ipadmin.services import api
from tests.services.katapult import VM, Answer, refusal

LIST = "/core/v1/organizations/organization/ip_addresses"
ADDRESS = "/core/v1/ip_addresses/ip_address"


def id_of(number: int) -> str:
    return f"ip_{number:016}"


class Cloud:
    """`answers` are those to the next changes of an address, by its id, `always` the one to every
    change. `changes` are those that were made, with the id of the address, in their order."""

    def __init__(self) -> None:
        self.addresses: dict[str, dict[str, Any]] = {}
        self.answers: defaultdict[str, deque[Answer]] = defaultdict(deque)
        self.always: Answer | None = None
        self.changes: list[tuple[str, str]] = []
        self.total: int | None = None
        self.permitted, self.calls = 1000, 0
        self._lock = threading.Lock()

    def add(self, *numbers: int, holder: str | None = VM, **more: Any) -> list[str]:
        """Their ids."""
        for number in numbers:
            self.addresses[id_of(number)] = {
                "id": id_of(number),
                "address": f"192.0.2.{number}",
                "reverse_dns": f"host-{number}.example.net",
                "vip": False,
                "allocation_id": holder,
                "allocation_type": holder and "VirtualMachine",
            } | more
        return [id_of(number) for number in numbers]

    def __call__(self, request: httpx.Request) -> httpx.Response:
        with self._lock:
            self.calls += 1
            answer = self.answer(request)
        if isinstance(answer, Exception):
            raise answer
        answer = answer if isinstance(answer, httpx.Response) else answer(request)
        answer.headers["X-Ratelimit-Permitted"] = str(self.permitted)
        answer.headers["X-Ratelimit-Remaining"] = str(max(0, self.permitted - self.calls))
        return answer

    def answer(self, request: httpx.Request) -> Answer:
        if request.url.path == LIST:
            return self.list()
        if request.method == "GET":
            found = self.addresses.get(request.url.params["ip_address[id]"])
            if found is None:
                return refusal(404, "ip_address_not_found")
            return self.shown(found)
        body = json.loads(request.content)
        id = body["ip_address"]["id"]
        if self.answers[id]:
            return self.answers[id].popleft()
        return self.always or self.change(request.url.path, self.addresses[id], body)

    def list(self) -> httpx.Response:
        items = [each for each in self.addresses.values() if each["allocation_id"]]
        total = len(items) if self.total is None else self.total
        pages = {"current_page": 1, "per_page": 200, "total": total, "total_pages": 1}
        return httpx.Response(200, json={"pagination": pages, "ip_addresses": items})

    def shown(self, address: dict[str, Any]) -> httpx.Response:
        kind, holder = address["allocation_type"], address["allocation_id"]
        allocation = {"type": kind, "value": {"id": holder, "name": "web-01"}} if holder else None
        return httpx.Response(200, json={"ip_address": address, "allocation": allocation})

    def change(self, path: str, address: dict[str, Any], body: dict[str, Any]) -> httpx.Response:
        name = path.rpartition("/")[2]
        self.changes.append((name, address["id"]))
        if name == "unallocate":
            address |= {"allocation_id": None, "allocation_type": None, "reverse_dns": "default"}
            return httpx.Response(200, json={})
        if name == "allocate_ip":
            holder = body["virtual_machine"]["id"]
            address |= {"allocation_id": holder, "allocation_type": "VirtualMachine"}
        else:
            address["reverse_dns"] = body["reverse_dns"]
        return self.shown(address)

    def client(self) -> KatapultClient:
        return KatapultClient(
            "http://katapult.test",
            user_agent="tests",
            observe=api.observe,
            transport=httpx.MockTransport(self),
        )
