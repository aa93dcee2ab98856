"""Measures the cost of seals and counters for an attempt: entries opened and finished with and
without them, in turns, in the same database."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from statistics import median
from unittest import mock

import django

django.setup()

from django.db import connection, connections  # noqa: E402
from django.utils import timezone  # noqa: E402

from ipadmin.audit import counters, entries  # noqa: E402
from ipadmin.audit.integrity import chain  # noqa: E402
from ipadmin.models import AuditEntry, Outcome  # noqa: E402

TIMES = 200
WRITERS = 20


def run() -> None:
    """Measure and print. Leaves its entries behind."""
    plain: list[float] = []
    sealed: list[float] = []
    _attempt()
    for _ in range(TIMES):
        with _without_seals():
            plain.append(_timed(_attempt))
        sealed.append(_timed(_attempt))
    before, now = median(plain) * 1000, median(sealed) * 1000
    print(f"\nAn entry opened and finished ({connection.vendor}), in ms")
    print(f"{'without seal and tally':<44}{before:10.2f}")
    print(f"{'with both':<44}{now:10.2f}  {now - before:+.2f}")
    at_once = _timed(_all_at_once) / (WRITERS * TIMES / 10) * 1000
    print(f"{f'with both, {WRITERS} writers at once, each':<44}{at_once:10.2f}")


def _timed(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _attempt() -> None:
    entry = AuditEntry(
        attempt_id=uuid.uuid4(),
        user_id=1,
        user_name="bench",
        token_id=uuid.UUID(int=1),
        token_label="Bench",
        environment="sandbox",
        organization_id="org_1",
        address_id="ip_0000000000000001",
        address="192.0.2.1",
        allocation_id="vm_0000000000000001",
        allocation_name="web-01",
    )
    entries.open(entry)
    outcome = {"outcome": Outcome.SUCCEEDED, "finished_at": timezone.now(), "duration_us": 80_000}
    assert entries.update(entry, outcome)


def _all_at_once() -> None:
    def some(_: int) -> None:
        for _ in range(TIMES // 10):
            _attempt()
        connections.close_all()

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(some, range(WRITERS)))


@contextmanager
def _without_seals() -> Iterator[None]:
    with ExitStack() as stack:
        for module, name in ((chain, "seal_opened"), (chain, "seal_finished"), (counters, "count")):
            stack.enter_context(mock.patch.object(module, name))
        yield


if __name__ == "__main__":
    run()
