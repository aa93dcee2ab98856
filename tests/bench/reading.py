"""Measures reading a list of 10,000 addresses with 50 ms a call, beside a page-by-page client and
the ideal time for as many calls at once; then searching in 10,000 and 100,000 addresses."""

from __future__ import annotations

import logging
import math
import os
import sys
import time
import tracemalloc

import django

django.setup()

import httpx  # noqa: E402
from django.core.management import call_command  # noqa: E402

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
    user = User.objects.create_user("reader")
    token = _token(user)
    for count, world in WORLDS.items():
        httpx.post(f"{sandbox}/_sandbox/reset", json={"addresses": world}, timeout=60)
        snapshots.forget(token)
        if count == 10_000:
            _reading(token)
        _searching(user, token, count)


def _reading(token: ApiToken) -> None:
    pages = math.ceil(10_000 / 200)
    ideal = LATENCY_SECONDS * (1 + math.ceil((pages - 1) / CALLS_AT_ONCE))
    slow = _seconds(lambda: _page_by_page(token), times=1)
    firsts, wholes, again = [], [], []
    for _ in range(TIMES):
        snapshots.forget(token)
        first, whole = _steps(token)
        firsts.append(first)
        wholes.append(whole)
        again.append(_steps(token)[1])
    whole = min(wholes)
    print(f"10,000 addresses, 50 ms a call: page by page with 100 a page {slow:.2f} s")
    print(f"  ours {whole:.3f} s: {slow / whole:.1f} times as fast, {whole / ideal:.2f} of ideal")
    print(f"  first rows after {min(firsts) * 1000:.0f} ms; read again {min(again):.3f} s")


def _steps(token: ApiToken) -> tuple[float, float]:
    """Seconds until the first rows, and until the list is complete."""
    started = time.perf_counter()
    first = 0.0
    for step in inventory.read_steps(token):
        first = first or time.perf_counter() - started
        assert not step.is_last or step.inventory.is_complete
    return first, time.perf_counter() - started


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


def _seconds(work, *, times: int = TIMES) -> float:  # type: ignore[no-untyped-def]
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
    run(os.environ["KATAPULT_API_URL"] if len(sys.argv) < 2 else sys.argv[1])
