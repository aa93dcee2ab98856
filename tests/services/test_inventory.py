"""Reading all of an organization's addresses, in every size, and what goes wrong on the way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from ipadmin.katapult.client import KatapultClient
from ipadmin.katapult.errors import ErrorAnswer, KatapultError, UnreadableAnswer
from ipadmin.models import ApiToken
from ipadmin.services import api, budget, inventory
from ipadmin.services.snapshots import Machine
from tests.history import keep
from tests.services.katapult import OTHER_VM, VM, Katapult, html, refusal

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
            "http://k.test",
            user_agent="t",
            observe=api.observe,
            transport=httpx.MockTransport(pages),
        )
        clients.append(client)
        monkeypatch.setattr(api, "client", lambda: client)
        return pages

    yield serving
    for client in clients:
        client.close()


@pytest.fixture
def token(token: ApiToken) -> ApiToken:
    """Without names of machines, so that all calls are for the list."""
    token.can_list_machines = False
    token.save()
    return token


@pytest.mark.parametrize(
    ("total", "calls"), [(0, 1), (1, 1), (40, 1), (200, 1), (201, 2), (20_000, 100)]
)
def test_every_address_is_read_once_and_sorted(
    token: ApiToken, serve: Callable[..., Pages], total: int, calls: int
) -> None:
    pages = serve(total)
    found = inventory.read(token)
    assert [ip.id for ip in found.addresses] == [f"ip_{number}" for number in range(1, total + 1)]
    assert sorted(pages.asked) == list(range(1, calls + 1))
    assert found.is_complete


@pytest.mark.parametrize("total", [0, 199, 200, 401, 5000])
def test_a_large_set_is_read_while_pages_are_full(
    token: ApiToken, serve: Callable[..., Pages], total: int
) -> None:
    pages = serve(total, large_set=True)
    found = inventory.read(token)
    assert (len(found.addresses), found.is_complete, found.total) == (total, True, None)
    assert len(set(pages.asked)) == len(pages.asked) <= 2 * (total // 200 + 1)


def test_a_large_set_that_never_ends_is_given_up(
    token: ApiToken, serve: Callable[..., Pages]
) -> None:
    """Something that ignores `page` and answers the same full page for ever."""
    pages = serve(200, large_set=True)
    same = pages(httpx.Request("GET", "http://k.test/?page=1&per_page=200"))
    pages.instead = dict.fromkeys(range(1, 100_000), lambda: same)
    assert len(inventory.read(token).addresses) == 200
    assert len(pages.asked) < 8


def test_an_absurd_number_of_pages_is_refused(token: ApiToken, serve: Callable[..., Pages]) -> None:
    pages = serve(200)
    pages.pagination = {"total_pages": 999_999_999}
    with pytest.raises(KatapultError):
        inventory.read(token)
    # Read twice, as every page without a proper answer.
    assert set(pages.asked) == {1}


def test_a_list_that_shifts_while_it_is_read_is_read_again(
    token: ApiToken, serve: Callable[..., Pages]
) -> None:
    """An address that moved to the page before is missing in the first pass."""
    pages = serve(201)
    body = {"pagination": {"total_pages": 2, "total": 201}, "ip_addresses": [row(2)]}
    shifted = [httpx.Response(200, json=body)]

    def second() -> httpx.Response:
        del pages.instead[2]
        return shifted[0]

    pages.instead[2] = second
    found = inventory.read(token)
    assert (len(found.addresses), found.is_complete) == (201, True)
    assert sorted(pages.asked) == [1, 1, 2, 2]


def test_a_list_that_keeps_shifting_says_that_it_is_not_complete(
    token: ApiToken, serve: Callable[..., Pages]
) -> None:
    pages = serve(201)
    pages.pagination = {"total": 250}
    found = inventory.read(token)
    assert (len(found.addresses), found.total, found.is_complete) == (201, 250, False)
    assert not inventory.is_fresh(found)


@pytest.mark.parametrize("answer", [lambda: refusal(429, "rate_limit_reached"), html])
@pytest.mark.parametrize("broken", [1, 2, 4])
def test_a_page_that_stays_unreadable_makes_the_inventory_unreadable(
    token: ApiToken,
    serve: Callable[..., Pages],
    answer: Callable[[], httpx.Response],
    broken: int,
) -> None:
    pages = serve(1000)
    pages.instead[broken] = answer
    with pytest.raises(KatapultError):
        inventory.read(token)
    pages.instead.clear()
    assert len(inventory.read(token).addresses) == 1000
    assert ApiToken.objects.get().last_error_code in {"rate_limit_reached", "unreadable_answer"}


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


# Stopping, and too few calls


def test_the_first_reading_that_is_stopped_keeps_what_was_read(
    token: ApiToken, serve: Callable[..., Pages]
) -> None:
    serve(1000)
    steps = inventory.read_steps(token)
    first = next(steps)
    steps.close()
    kept = inventory.stored(token)
    assert kept
    assert len(kept.addresses) >= len(first.inventory.addresses) > 0
    assert (kept.is_complete, kept.total) == (False, 1000)


def test_a_later_reading_that_is_stopped_keeps_the_one_before(
    token: ApiToken, serve: Callable[..., Pages]
) -> None:
    serve(1000)
    before = inventory.read(token)
    steps = inventory.read_steps(token)
    assert next(steps).is_known
    steps.close()
    assert inventory.stored(token) == before


def few_left(pages: Pages) -> Callable[[], httpx.Response]:
    """The first page, with so few calls left that the others have to wait."""

    def answer() -> httpx.Response:
        del pages.instead[1]
        answered = pages(httpx.Request("GET", "http://k.test/?page=1&per_page=200"))
        left = {"X-Ratelimit-Permitted": "1000", "X-Ratelimit-Remaining": "20"}
        return httpx.Response(200, content=answered.read(), headers=left)

    return answer


def test_too_few_calls_for_a_first_reading_show_part_of_the_list(
    token: ApiToken, serve: Callable[..., Pages]
) -> None:
    pages = serve(1000)
    pages.instead[1] = few_left(pages)
    found = inventory.read(token)
    assert (len(found.addresses), found.total, found.is_complete) == (200, 1000, False)


def test_too_few_calls_for_another_reading_keep_the_one_before(
    token: ApiToken, serve: Callable[..., Pages]
) -> None:
    serve(1)
    before = inventory.read(token)
    pages = serve(1000)
    pages.instead[1] = few_left(pages)
    with pytest.raises(budget.ReadsWait):
        inventory.read(token)
    assert inventory.stored(token) == before


# Names of machines


def test_names_are_read_with_the_addresses(token: ApiToken, katapult: Katapult) -> None:
    token.can_list_machines = True
    katapult.machines = [{"id": VM, "name": "web-01", "zone": {"name": "North West"}}]
    katapult.reads.append(listing_of(VM))
    found = inventory.read(token)
    assert found.has_names
    assert found.machines == {VM: Machine(VM, "web-01", "North West")}


def test_without_the_scope_names_come_from_the_history(token: ApiToken, katapult: Katapult) -> None:
    fields = {"organization_id": "org_1", "allocation_id": VM}
    keep(allocation_name="old", created_at=datetime(2026, 1, 1, tzinfo=UTC), **fields)
    newest = keep(allocation_name="web-01", **fields)
    keep(allocation_name="other", organization_id="org_2", allocation_id=OTHER_VM)
    katapult.reads.append(listing_of(VM))
    found = inventory.read(token)
    assert not found.has_names
    assert found.machines == {VM: Machine(VM, "web-01", as_of=newest.created_at)}


def test_machines_that_cannot_be_listed_do_not_hide_the_addresses(
    token: ApiToken, katapult: Katapult
) -> None:
    token.can_list_machines = True
    katapult.reads.append(listing_of(VM))
    found = inventory.read(token)
    assert (len(found.addresses), found.has_names) == (1, False)


def listing_of(holder: str) -> httpx.Response:
    held = {"allocation_id": holder, "allocation_type": "VirtualMachine"}
    body = {"pagination": {"total_pages": 1, "total": 1}, "ip_addresses": [row(1) | held]}
    return httpx.Response(200, json=body)


# Several lists at once


def test_a_list_waits_for_its_turn_but_not_for_long(
    token: ApiToken, serve: Callable[..., Pages], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inventory, "TURNS", threading.BoundedSemaphore(1))
    monkeypatch.setattr(inventory, "TURN_SECONDS", 0.2)
    serve(1)
    began = time.monotonic()
    with inventory.TURNS:
        assert inventory.read(token).is_complete
    assert time.monotonic() - began >= 0.2
    began = time.monotonic()
    assert inventory.read(token).is_complete
    assert time.monotonic() - began < 0.2
