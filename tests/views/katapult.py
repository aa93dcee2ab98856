"""A Katapult in memory with an organization's addresses, for whole pages."""

from __future__ import annotations

from collections import deque
from typing import Any

import httpx

from tests.services.katapult import ADDRESS, HEADERS, IP, VM, Answer, Katapult

ORGANIZATION = {"id": "org_1", "name": "Acme", "sub_domain": "acme"}
SECOND = {"id": "org_2", "name": "Brook", "sub_domain": "brook"}
LIST = "/core/v1/organizations/organization/ip_addresses"
NAMES = ("/core/v1/users/current", "/core/v1/organizations")

# What no page may hold unescaped, whichever field it came in by.
HOSTILE = "<script>alert('x')</script>"


def listed(number: int, holder: str | None = VM, **more: Any) -> dict[str, Any]:
    """An address as a list gives it."""
    return {
        "id": f"ip_{number:016}",
        "address": f"192.0.2.{number}",
        "reverse_dns": f"host-{number}.example.net",
        "vip": False,
        "allocation_id": holder,
        "allocation_type": holder and "VirtualMachine",
    } | more


def many(count: int) -> list[dict[str, Any]]:
    return [
        listed(number, address=f"10.0.{number // 250}.{number % 250}") for number in range(count)
    ]


class Organizations(Katapult):
    """Answers every call. `lists` and `names` are answers for the next calls that list addresses
    or say which organizations there are, as `reads` and `posts` are for one address."""

    def __init__(self) -> None:
        super().__init__()
        self.lists: deque[Answer] = deque()
        self.names: deque[Answer] = deque()
        self.organizations: list[dict[str, Any]] = [ORGANIZATION]
        self.listed = [listed(7, id=IP, address=ADDRESS), listed(8)]

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path != LIST and path not in NAMES:
            return super().__call__(request)
        self.requests.append(request)
        script = self.lists if path == LIST else self.names
        answer: Answer = script.popleft() if script else self.page(request)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else answer(request)

    def page(self, request: httpx.Request) -> httpx.Response:
        if request.url.path in NAMES:
            body = {"user": {"name": "Alice"}, "organizations": self.organizations}
            return httpx.Response(200, json=body, headers=HEADERS)
        query = request.url.params
        number, per_page = int(query["page"]), int(query["per_page"])
        total = len(self.listed)
        pagination = {
            "current_page": number,
            "per_page": per_page,
            "total": total,
            "total_pages": -(-total // per_page),
            "large_set": False,
        }
        items = self.listed[(number - 1) * per_page : number * per_page]
        body = {"pagination": pagination, "ip_addresses": items}
        return httpx.Response(200, json=body, headers=HEADERS)

    def calls(self, path: str) -> int:
        return sum(request.url.path == path for request in self.requests)
