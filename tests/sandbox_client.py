"""An HTTP client for the sandbox's tests, without code of the product."""

import time
from collections.abc import Callable
from typing import Any

import httpx

from ipadmin.sandbox import Sandbox


class Caller(httpx.Client):
    """Calls with the sandbox's token, or with a special one such as `expired`."""

    def __init__(self, box: Sandbox, special: str = "", **options: Any) -> None:
        token = f"{box.token}-{special}" if special else box.token
        super().__init__(
            base_url=f"{box.url}/core/v1",
            headers={"Authorization": f"Bearer {token}"},
            verify=False,
            **{"timeout": 5.0, **options},
        )

    def read(self, ip_address: str) -> dict[str, Any]:
        answer = self.get("/ip_addresses/_", params={"ip_address[id]": ip_address})
        body: dict[str, Any] = answer.json()
        return body

    def unallocate(self, ip_address: str) -> httpx.Response:
        body = {"ip_address": {"id": ip_address}}
        return self.post("/ip_addresses/ip_address/unallocate", json=body)

    def allocate(self, ip_address: str, virtual_machine: str) -> httpx.Response:
        body = {"virtual_machine": {"id": virtual_machine}, "ip_address": {"id": ip_address}}
        return self.post("/virtual_machines/virtual_machine/allocate_ip", json=body)

    def set_reverse_dns(self, ip_address: str, reverse_dns: object) -> httpx.Response:
        body = {"ip_address": {"id": ip_address}, "reverse_dns": reverse_dns}
        return self.patch("/ip_addresses/ip_address", json=body)

    def list(self, sub_domain: str = "northwind", **params: Any) -> httpx.Response:
        params = {"organization[sub_domain]": sub_domain, **params}
        return self.get("/organizations/_/ip_addresses", params=params)


def code(answer: httpx.Response) -> str:
    """The code of a wrapped error."""
    found: str = answer.json()["error"]["code"]
    return found


def some(box: Sandbox, type_: str | None = "VirtualMachine", **like: Any) -> dict[str, Any]:
    """The first address of the first organization that is allocated so and has these values."""
    world = box.world()
    wanted = {"allocation_type": type_, "organization": world["organizations"][0]["id"], **like}
    found: dict[str, Any] = next(
        each for each in world["ip_addresses"] if wanted.items() <= each.items()
    )
    return found


def machine(box: Sandbox, name: str) -> str:
    """The id of the first organization's virtual machine of this name."""
    found: str = next(
        each["id"] for each in box.world()["virtual_machines"] if each["name"] == name
    )
    return found


def until(true: Callable[[], bool], seconds: float = 3) -> None:
    """Wait until `true` returns true. Raises AssertionError after `seconds`."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "the condition was not met in time"
        time.sleep(0.01)


def allocated(box: Sandbox, ip_address: str) -> bool:
    world = box.world()["ip_addresses"]
    return any(each["allocation_id"] for each in world if each["id"] == ip_address)
