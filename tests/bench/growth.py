"""Measures the pages with a history of ten thousand entries and of a million.

`python -m tests.bench.growth` measures with the database of DATABASE_URL, makes up a history when
it is empty, and prints a line of JSON: name, median in ms and number of queries of each page.
`compare` does so for two histories, and prints the ratios.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

TIMES = 20
FEW, MANY = 10_000, 1_000_000

Figures = dict[str, tuple[float, int]]


def compare(databases: dict[int, str]) -> None:
    """Make up two histories of these numbers of entries, measure and print."""
    few, many = databases
    before, after = (_ask_in_a_process(url, count) for count, url in databases.items())
    title = "our pages, median in ms"
    print(f"\n{title:<44}{few:10,}{many:11,}  ratio queries")
    for name, (small, queries) in before.items():
        large, later = after[name]
        same = f"{queries}" if queries == later else f"{queries} → {later}"
        print(f"{name:<44}{small:10.1f}{large:11.1f}{large / small:7.2f} {same:>7}", flush=True)


def _ask_in_a_process(url: str, count: int) -> Figures:
    command = [sys.executable, "-m", "tests.bench.growth", str(count)]
    env = os.environ | {"DATABASE_URL": url}
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, check=True)
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def main() -> None:
    import django  # noqa: PLC0415

    django.setup()
    logging.disable(logging.INFO)
    from django.core.management import call_command  # noqa: PLC0415
    from django.test.utils import override_settings  # noqa: PLC0415

    from ipadmin.models import AuditEntry  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    if not AuditEntry.objects.exists():
        call_command("seed_audit", int(sys.argv[1]), stdout=sys.stderr)
    plain = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
    with override_settings(STORAGES=plain):
        figures = dict(_pages()) | dict(_long_work())
    print(json.dumps(figures))


def _pages() -> Iterator[tuple[str, tuple[float, int]]]:
    from django.db import connection  # noqa: PLC0415
    from django.test import Client  # noqa: PLC0415
    from django.test.utils import CaptureQueriesContext  # noqa: PLC0415

    client = Client()
    client.force_login(_reader())
    for name, path in _paths().items():
        answer = client.get(path)
        assert answer.status_code == 200, f"{path}: {answer.status_code}"
        times = [_timed(partial(client.get, path)) for _ in range(TIMES)]
        with CaptureQueriesContext(connection) as queries:
            client.get(path)
        yield name, (median(times) * 1000, len(queries))


def _reader() -> Any:
    from ipadmin.models import User  # noqa: PLC0415

    found = User.objects.filter(username="bench").first()
    return found or User.objects.create_superuser("bench")


def _paths() -> dict[str, str]:
    """A URL of each kind, for an entry from the middle of the history."""
    from ipadmin.audit.search import pages  # noqa: PLC0415
    from ipadmin.models import AuditEntry, AuditValueCounter  # noqa: PLC0415

    people = AuditValueCounter.objects.filter(field="user_id").order_by("-attempts")
    common, rare = people[0].label, people.reverse()[0].label
    first, last = AuditEntry.objects.last(), AuditEntry.objects.first()
    assert first
    assert last
    ids = AuditEntry.objects.filter(address_key__startswith="4", user_name=common)
    entry = ids.filter(id__gte=(first.id + last.id) // 2).order_by("id")[0]
    unknown = AuditEntry.objects.filter(outcome="unknown")[0]
    deep = AuditEntry.objects.filter(id__lte=first.id + (last.id - first.id) // 5).first()
    assert deep
    place = pages.cursor_text(pages.cursor_of(deep))
    octets = ".".join(entry.address.split(".")[:2])
    asked = {
        "first page, all time": "when=all",
        "first page, 30 days": "",
        "four fifths down": f"when=all&before={place}",
        "and back": f"when=all&after={place}",
        "common person": f"when=all&person={common}",
        "rare person": f"when=all&person={rare}",
        "two people and an outcome": f"when=all&person={common}&person={rare}&outcome=failed",
        "outcome": "when=all&outcome=unknown",
        "error": "when=all&error=permission_denied",
        "sandbox": "when=all&environment=sandbox",
        "token": f"when=all&token={entry.token_id}",
        "organization and person": f"when=all&organization={entry.organization_id}&person={common}",
        "one week": "since=2025-06-02&until=2025-06-08",
        "one moment": f"at={entry.created_at:%Y-%m-%dT%H:%M}",
        "address": f"q={entry.address}",
        "address and person": f"q={entry.address}&person={common}",
        "beginning of an address": f"q={octets}.",
        "network /22": "q=198.18.4.0/22",
        "network /12": "q=198.16.0.0/12",
        "IPv6 network": "q=2001:db8::/32",
        "address id": f"q={entry.address_id}",
        "machine id": f"q={entry.allocation_id}",
        "machine's name": f"q={entry.allocation_name}",
        "beginning of names": "q=web",
        "person, typed": f"q={common}",
        "error code, typed": "q=permission_denied",
        "request id": f"q={entry.request_id}",
        "attempt": f"q={entry.attempt_id}",
        "nothing like it": "q=nothing-like-it",
        "common alone, rare together": f"when=all&person={rare}&outcome=unknown",
        "network, person, outcome": f"q=198.18.&person={common}&outcome=refused",
    }
    return {name: f"/audit/?{query}" for name, query in asked.items()} | {
        "one entry": entry.get_absolute_url(),
        "one entry with evidence": unknown.get_absolute_url(),
        "timeline of an address": f"/addresses/{entry.address}/timeline/",
        "who had it": f"/addresses/{entry.address}/timeline/?at={entry.created_at:%Y-%m-%dT%H:%M}",
        "integrity": "/audit/integrity/",
    }


def _long_work() -> Iterator[tuple[str, tuple[float, int]]]:
    """Operations that read all entries, per entry."""
    from django.core.management import call_command  # noqa: PLC0415

    from ipadmin.audit.activity import Actor  # noqa: PLC0415
    from ipadmin.audit.export.export import Format, export  # noqa: PLC0415
    from ipadmin.models import AuditEntry  # noqa: PLC0415

    count = AuditEntry.objects.count()
    for format in Format:
        everything = AuditEntry.objects.order_by("-created_at", "-id")
        pieces = export(everything, format, by=Actor(command_line="bench"), criteria={})
        seconds = _timed(partial(deque, pieces, maxlen=0))
        yield f"export as {format}, ms per 1,000 entries", (seconds * 1e6 / count, 0)
    with Path(os.devnull).open("w") as nowhere:
        seconds = _timed(lambda: call_command("verify_audit", stdout=nowhere))
    yield "verify, ms per 1,000 entries", (seconds * 1e6 / count, 0)
    yield "memory of it all, MiB", (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 0)


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
