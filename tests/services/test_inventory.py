"""Reading all of an organization's addresses, in every size, and what goes wrong on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
import time_machine

from ipadmin.katapult.client import KatapultClient
from ipadmin.katapult.errors import ErrorAnswer, KatapultError, UnreadableAnswer
from ipadmin.models import ApiToken
from ipadmin.services import api, inventory
from tests.services.katapult import html, refusal

pytestmark = pytest.mark.django_db


def row(number: int) -> dict[str, Any]:
    address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    held = {"allocation_id": None, "allocation_type": None}
    return {"id": f"ip_{number}", "address": address, **held}


class Pages:
    """An organization of so many addresses, bought in no order."""

    def __init__(self, total: int, *, large_set: bool = False) -> None:
        self.total, self.large_set = total, large_set
        self.asked: list[int] = []
        self.instead: dict[int, Callable[[], httpx.Response]] = {}
        self.pagination: dict[str, Any] = {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        page, per_page = (int(request.url.params[name]) for name in ("page", "per_page"))
        self.asked.append(page)
        if page in self.instead:
            return self.instead[page]()
        last = self.total - (page - 1) * per_page
        rows = [row(number) for number in range(last, max(0, last - per_page), -1)]
        pagination = {
            "current_page": page,
            "per_page": per_page,
            "total": None if self.large_set else self.total,
            "total_pages": None if self.large_set else -(-self.total // per_page),
            "large_set": self.large_set,
        }
        return httpx.Response(
            200, json={"pagination": pagination | self.pagination, "ip_addresses": rows}
        )


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Pages]]:
    clients = []

    def serving(total: int, **options: bool) -> Pages:
        pages = Pages(total, **options)
        client = KatapultClient(
            "http://k.test", user_agent="t", transport=httpx.MockTransport(pages)
        )
        clients.append(client)
        monkeypatch.setattr(api, "client", lambda: client)
        return pages

    yield serving
    for client in clients:
        client.close()


@pytest.mark.parametrize(
    ("total", "calls"), [(0, 1), (1, 1), (40, 1), (200, 1), (201, 2), (100_000, 500)]
)
def test_every_address_is_read_once_and_sorted(
    token: ApiToken, serve: Callable[..., Pages], total: int, calls: int
) -> None:
    pages = serve(total)
    addresses = inventory.read(token).addresses
    assert [ip.id for ip in addresses] == [f"ip_{number}" for number in range(1, total + 1)]
    assert sorted(pages.asked) == list(range(1, calls + 1))


@pytest.mark.parametrize(("total", "calls"), [(0, 1), (199, 1), (200, 2), (401, 3)])
def test_a_large_set_is_read_while_pages_are_full(
    token: ApiToken, serve: Callable[..., Pages], total: int, calls: int
) -> None:
    pages = serve(total, large_set=True)
    assert len(inventory.read(token).addresses) == total
    assert pages.asked == list(range(1, calls + 1))


def test_a_large_set_that_never_ends_is_given_up(
    token: ApiToken, serve: Callable[..., Pages]
) -> None:
    """Something that ignores `page` and answers the same full page for ever."""
    pages = serve(200, large_set=True)
    same = pages(httpx.Request("GET", "http://k.test/?page=1&per_page=200"))
    pages.instead = dict.fromkeys(range(1, 100_000), lambda: same)
    assert len(inventory.read(token).addresses) == 200
    assert len(pages.asked) < 5


def test_an_absurd_number_of_pages_is_refused(token: ApiToken, serve: Callable[..., Pages]) -> None:
    pages = serve(200)
    pages.pagination = {"total_pages": 999_999_999}
    with pytest.raises(KatapultError):
        inventory.read(token)
    assert pages.asked == [1]


def test_an_address_that_moved_between_pages_is_there_once(
    token: ApiToken, serve: Callable[..., Pages]
) -> None:
    pages = serve(201)
    body = {"pagination": {"total_pages": 2}, "ip_addresses": [row(2), row(1)]}
    pages.instead[2] = lambda: httpx.Response(200, json=body)
    assert len(inventory.read(token).addresses) == 201


@pytest.mark.parametrize("answer", [lambda: refusal(429, "rate_limit_reached"), html])
@pytest.mark.parametrize("broken", [1, 2, 4])
def test_one_unreadable_page_makes_the_inventory_unreadable(
    token: ApiToken,
    serve: Callable[..., Pages],
    answer: Callable[[], httpx.Response],
    broken: int,
) -> None:
    pages = serve(1000)
    pages.instead[broken] = answer
    with pytest.raises(KatapultError):
        inventory.read(token, max_age=timedelta(minutes=1))
    pages.instead.clear()
    assert len(inventory.read(token, max_age=timedelta(minutes=1)).addresses) == 1000
    assert ApiToken.objects.get().last_error_code in {"rate_limit_reached", "unreadable_answer"}


def test_a_snapshot_serves_until_it_is_old_or_forgotten(
    token: ApiToken, serve: Callable[..., Pages]
) -> None:
    pages, age = serve(1), timedelta(seconds=20)
    with time_machine.travel("2026-11-23T12:00:00Z", tick=False) as clock:
        first = inventory.read(token, max_age=age)
        clock.shift(19)
        assert inventory.read(token, max_age=age) == first
        clock.shift(2)
        assert inventory.read(token, max_age=age).read_at > first.read_at
        inventory.forget(token)
        inventory.read(token, max_age=age)
        inventory.read(token)
    assert len(pages.asked) == 4


def test_an_organization_is_looked_up_by_what_is_known_of_it(
    token: ApiToken, serve: Callable[..., Pages]
) -> None:
    pages = serve(1)
    pages.instead[1] = lambda: refusal(404, "organization_not_found")
    with pytest.raises(ErrorAnswer, match="organization_not_found"):
        inventory.read(token)


def test_a_page_with_more_addresses_than_asked_for_is_unreadable(
    token: ApiToken, serve: Callable[..., Pages]
) -> None:
    pages = serve(1)
    rows = [row(number) for number in range(201)]
    pages.instead[1] = lambda: httpx.Response(200, json={"ip_addresses": rows})
    with pytest.raises(UnreadableAnswer):
        inventory.read(token)
