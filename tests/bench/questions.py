"""Compares searches of this history with django-auditlog's LogEntry in Django's admin, unchanged
and tuned. Needs `tests.bench.auditlog.settings`.

Everything runs in one process through Django's test client: server time, without a network.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlencode

import django

django.setup()

from auditlog.models import LogEntry  # type: ignore[import-untyped]  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.db.models import Count  # noqa: E402
from django.http import StreamingHttpResponse  # noqa: E402
from django.test import Client  # noqa: E402
from django.utils import timezone  # noqa: E402

from ipadmin.audit.search.pages import PER_PAGE as OUR_PAGE  # noqa: E402
from ipadmin.models import AuditEntry, User  # noqa: E402
from tests.bench.auditlog.admin import INDEXES  # noqa: E402
from tests.bench.auditlog.filling import fill  # noqa: E402

READER = "bench-reader"
OUR_EXPORT = "/audit/export/"
PER_PAGE = 100  # the admin's
DEEP = 2000
# Seconds: what takes longer is asked FEW times.
SLOW, FEW, MANY = 0.2, 5, 20
# An address that no other contains: the unchanged admin searches for parts of texts.
UNLIKE_OTHERS = re.compile(r"\.\d{3}$")
# Pieces of an export between two measurements of the memory.
PIECES = 64


@dataclass(frozen=True, slots=True)
class Sample:
    """The values to search for, from the middle of the history."""

    count: int
    # User name and id.
    common: tuple[str, int]
    rare: tuple[str, int]
    # An address of an attempt by the most frequent user.
    address: str
    since: datetime
    until: datetime

    @property
    def deep(self) -> int:
        """Page 2,000, or the last one of a short history."""
        return min(DEEP, self.count // PER_PAGE)

    @property
    def deep_name(self) -> str:
        return f"page {self.deep:,}"

    @property
    def per_page(self) -> int:
        return PER_PAGE


@dataclass(frozen=True, slots=True)
class Question:
    """A search: its name, and the paths by the name of the product."""

    name: str
    paths: dict[str, str]
    is_export: bool = False


@dataclass(frozen=True, slots=True)
class Figure:
    """Seconds; for an export also the growth of the process in MiB."""

    seconds: float
    grown: float | None = None

    def __str__(self) -> str:
        if self.grown is None:
            return f"{self.seconds * 1000:,.1f}"
        return f"{self.seconds:.1f} s, +{self.grown:.0f} MiB"


# The path of this product for each search, by its name.
Ours = Callable[[Sample], dict[str, str]]
Figures = dict[tuple[str, str], Figure]


def run(count: int, ours: Ours | None = None) -> Figures:
    """Fill an empty database, measure, print the table; with `ours` this history as well."""
    logging.disable(logging.INFO)
    call_command("migrate", verbosity=0)
    if ours and not AuditEntry.objects.exists():
        call_command("seed_audit", count)
    if LogEntry.objects.count() != count:
        started = time.perf_counter()
        fill(count, now=timezone.now())
        print(f"{count:,} entries of django-auditlog in {time.perf_counter() - started:.0f} s")
    sample = take_sample()
    asked = questions(sample, ours)
    client = Client()
    client.force_login(reader())
    figures: Figures = {}
    for contestant in ("stock", "tuned"):
        figures |= ask(client, asked, contestant)
    with indexes():
        figures |= ask(client, asked, "indexed")
    figures |= ask(client, asked, "ours")
    print(table(asked, figures, sample.count))
    return figures


def reader() -> User:
    """A user with all permissions."""
    return User.objects.filter(username=READER).first() or User.objects.create_superuser(READER)


def take_sample() -> Sample:
    actors = LogEntry.objects.values_list("actor__username", "actor_id")
    by_number = list(actors.annotate(number=Count("id")).order_by("number"))
    rare, common = by_number[0], by_number[-1]
    theirs = LogEntry.objects.filter(actor_id=common[1]).order_by("timestamp")
    from_the_middle = theirs[common[2] // 2 :][:1000]
    entry = next(each for each in from_the_middle if UNLIKE_OTHERS.search(each.object_repr))
    midnight = entry.timestamp.replace(hour=0, minute=0, second=0, microsecond=0)
    monday = midnight - timedelta(days=midnight.weekday())
    return Sample(
        count=sum(number for *_, number in by_number),
        common=common[:2],
        rare=rare[:2],
        address=entry.object_repr,
        since=monday,
        until=monday + timedelta(days=7),
    )


def questions(sample: Sample, ours: Ours | None = None) -> list[Question]:
    """In the order of the table."""
    of_common = {"actor__id__exact": sample.common[1]}
    week = {
        "timestamp__gte": sample.since.isoformat(),
        "timestamp__lt": sample.until.isoformat(),
    }
    lists: dict[str, dict[str, Any]] = {
        "first page": {},
        sample.deep_name: {"p": sample.deep},
        "common person": of_common,
        "rare person": {"actor__id__exact": sample.rare[1]},
        "one week": week,
        "address": {"q": sample.address},
        "address and person": {"q": sample.address, **of_common},
    }
    own = ours(sample) if ours else {}
    asked = [
        Question(name, {**_of_admin(query), **({"ours": own[name]} if name in own else {})})
        for name, query in lists.items()
    ]
    exports = {name: f"/{name}/export.csv" for name in ("stock", "tuned")}
    if ours:
        exports["ours"] = OUR_EXPORT
    return [*asked, Question("export of all", exports, is_export=True)]


def _of_admin(query: dict[str, Any]) -> dict[str, str]:
    path = f"auditlog/logentry/?{urlencode(query)}"
    return {"stock": f"/stock/{path}", "tuned": f"/tuned/{path}", "indexed": f"/tuned/{path}"}


def ask(client: Client, asked: list[Question], contestant: str) -> Figures:
    return {
        (question.name, contestant): exported(client, path)
        if question.is_export
        else shown(client, path)
        for question in asked
        if (path := question.paths.get(contestant))
    }


def shown(client: Client, path: str) -> Figure:
    """The median of a page, warm."""
    first = _seconds(client, path)
    times = FEW if first > SLOW else MANY
    return Figure(median(_seconds(client, path) for _ in range(times)))


def _seconds(client: Client, path: str) -> float:
    started = time.perf_counter()
    response = client.get(path)
    taken = time.perf_counter() - started
    # The admin redirects for filters that it does not know.
    assert response.status_code == 200, f"{path}: {response.status_code}"
    return taken


def exported(client: Client, path: str) -> Figure:
    """One export, read to the end."""
    before = highest = _resident()
    started = time.perf_counter()
    # An export of this product is logged, so it is a POST.
    everything = {"when": "all", "format": "csv"}
    response = client.post(path, everything) if path == OUR_EXPORT else client.get(path)
    assert isinstance(response, StreamingHttpResponse), path
    lines = 0
    for number, piece in enumerate(response):
        lines += piece.count(b"\n")
        if number % PIECES == 0:
            highest = max(highest, _resident())
    taken = time.perf_counter() - started
    assert lines >= LogEntry.objects.count(), f"{path}: {lines} lines"
    return Figure(taken, highest - before)


def _resident() -> float:
    """MiB of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextmanager
def indexes() -> Iterator[None]:
    """The indexes for the tuned admin."""
    table = LogEntry._meta.db_table
    with connection.cursor() as cursor:
        for name, columns in INDEXES.items():
            cursor.execute(f"CREATE INDEX {name} ON {table} ({columns})")
        cursor.execute(f"ANALYZE {table}")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            for name in INDEXES:
                cursor.execute(f"DROP INDEX {name}")


HEADS = {
    "stock": "stock admin",
    "tuned": "tuned admin",
    "indexed": "tuned, with indexes",
    "ours": "ours",
}


def table(asked: list[Question], figures: Figures, count: int) -> str:
    """The table in Markdown; milliseconds, seconds for the export."""
    shown = [name for name in HEADS if any(contestant == name for _, contestant in figures)]
    rows = f"{PER_PAGE} rows a page" + (f" (ours: {OUR_PAGE})" if "ours" in shown else "")
    lines = [
        f"{count:,} entries on {connection.display_name}, {rows}, medians in ms",
        "",
        "| question | " + " | ".join(HEADS[name] for name in shown) + " |",
        "|---|" + "---:|" * len(shown),
    ]
    for question in asked:
        cells = [str(figures.get((question.name, name), "")) for name in shown]
        lines.append(f"| {question.name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
