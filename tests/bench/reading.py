"""Measures reading a list of 10,000 addresses with 50 ms a call, beside a page-by-page client and
the ideal time for as many calls at once; then searching in 10,000 and 100,000 addresses."""

from __future__ import annotations

import logging
import math
import sys
import time
import tracemalloc
from collections.abc import Callable

import django

django.setup()

import httpx  # noqa: E402
from django.core.management import call_command  # noqa: E402

from config import gunicorn  # noqa: E402
from ipadmin.katapult.types import Secret  # noqa: E402
from ipadmin.models import ApiToken, User  # noqa: E402
from ipadmin.services import api, find, inventory, snapshots, tokens  # noqa: E402
from ipadmin.services.listing import Filters, listing  # noqa: E402
from ipadmin.services.page_reader import CALLS_AT_ONCE  # noqa: E402
from tests.bench.stage import TOKEN  # noqa: E402

LATENCY_SECONDS = 0.05
# Three quarters of the sandbox's addresses are the first organization's.
WORLDS = {10_000: 13_334, 100_000: 133_334}
TIMES = 5


def run(sandbox: str) -> None:
    logging.disable(logging.INFO)
    call_command("migrate", verbosity=0)
    gunicorn.when_ready(None)
    user = User.objects.create_user("reader")
    token = _token(user)
    for count, world in WORLDS.items():
        httpx.post(f"{sandbox}/_sandbox/reset", json={"addresses": world}, timeout=60)
        snapshots.forget(token)
        if count == 10_000:
            _reading(token)
        _searching(user, token, count)


def _reading(token: ApiToken) -> None:
    slow = _seconds(lambda: _page_by_page(token), times=1)
    # The first page of each list says how many there are; then as many at once as are allowed.
    addresses, machines = math.ceil(10_000 / 200), _machine_pages(token)
    ideal = LATENCY_SECONDS * (1 + math.ceil((addresses + machines - 2) / CALLS_AT_ONCE))
    runs, again = [], []
    for _ in range(TIMES):
        snapshots.forget(token)
        runs.append(_steps(token))
        again.append(_steps(token)[1])
    first, whole, stored = (min(values) for values in zip(*runs, strict=True))
    print(f"10,000 addresses, 50 ms a call: page by page with 100 a page {slow:.2f} s")
    print(
        f"  ours {whole:.3f} s: {slow / whole:.1f} times as fast; {whole / ideal:.2f} of the ideal"
    )
    print(f"  {ideal:.2f} s of {addresses} calls for addresses and {machines} for machine names")
    print(f"  first rows after {first * 1000:.0f} ms; stored after {stored:.3f} s")
    print(f"  read again {min(again):.3f} s")


def _machine_pages(token: ApiToken) -> int:
    with api.using(token) as secret:
        found = api.client().virtual_machines(secret, token.organization).value
    assert found.total_pages
    return found.total_pages


def _steps(token: ApiToken) -> tuple[float, float, float]:
    """Seconds until the first rows, until the list is complete with names, and until it is
    stored."""
    started = time.perf_counter()
    first = whole = 0.0
    for step in inventory.read_steps(token):
        whole = time.perf_counter() - started
        first = first or whole
        assert not step.is_last or (step.inventory.is_complete and step.inventory.has_names)
    return first, whole, time.perf_counter() - started


def _page_by_page(token: ApiToken) -> None:
    with api.using(token) as secret:
        page, pages = 1, 1
        while page <= pages:
            reply = api.client().ip_addresses(secret, token.organization, page=page, per_page=100)
            page, pages = page + 1, reply.value.total_pages or 0


def _searching(user: User, token: ApiToken, count: int) -> None:
    tracemalloc.start()
    known = inventory.read(token)
    listing(known, Filters(q="web-1"))
    mebibytes = tracemalloc.get_traced_memory()[0] / 2**20
    tracemalloc.stop()
    key = _seconds(lambda: listing(known, Filters(q="web-1")))
    everything = _seconds(lambda: find.find(user, "web-1"))
    print(f"{count:,} addresses: {mebibytes:.0f} MiB; a filter {key * 1000:.1f} ms,")
    print(f"  a search over all tokens {everything * 1000:.1f} ms, without the history")


def _seconds(work: Callable[[], object], *, times: int = TIMES) -> float:
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return min(taken)


def _token(user: User) -> ApiToken:
    token = tokens.add(owner=user, label="Reading", secret=Secret(TOKEN))
    if not token.is_ready:
        found = {each.sub_domain: each for each in tokens.organizations(token)}
        tokens.choose_organization(token, found["northwind"])
    return token


if __name__ == "__main__":
    run(sys.argv[1])
