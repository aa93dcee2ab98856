"""Helpers of all measurements: database, environment, stopwatch."""

from __future__ import annotations

import os
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import httpx
import psycopg

TOKEN = "bench-token-0123456789"
# The rate limit of runs. Its window is long enough for a small machine to make so many calls.
LIMIT, WINDOW_SECONDS = 1000, 30.0
ENVIRONMENT = {
    "DJANGO_SETTINGS_MODULE": "config.settings",
    "ENV_FILE": os.devnull,
    "SECRET_KEY": "only-for-measuring-0123456789-abcdefghijklmnopqrstuvwxyz",
    "TOKEN_ENCRYPTION_KEYS": "b25seS1mb3ItbWVhc3VyaW5nLTAxMjM0NTY3ODktYWI=",
    "AUDIT_KEYS": "b25seS1mb3ItbWVhc3VyaW5nLWF1ZGl0LTAxMjM0NTY=",
    "ALLOWED_HOSTS": "testserver",
    "KATAPULT_API_URL": "http://127.0.0.1:9",
    "DJANGO_ALLOW_ASYNC_UNSAFE": "true",
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def database(folder: Path, name: str) -> str:
    """The URL of an empty database: on the PostgreSQL of DATABASE_URL, or a SQLite file."""
    server = os.environ.get("DATABASE_URL", "")
    if not server.startswith("postgres"):
        return f"sqlite:///{folder / name}.sqlite3"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{server.rpartition('/')[0]}/{name}"


def wait_for(url: str, *, seconds: float = 30, verify: ssl.SSLContext | bool = False) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            if httpx.get(url, verify=verify).is_success:
                return
        except httpx.TransportError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.05)


@dataclass
class Figures:
    """Seconds of each repetition: in total, and of its API calls."""

    whole: list[float] = field(default_factory=list)
    api: list[float] = field(default_factory=list)

    @property
    def ours(self) -> float:
        return median(whole - api for whole, api in zip(self.whole, self.api, strict=True))

    def row(self, name: str) -> str:
        whole, api = median(self.whole), median(self.api)
        cells = [f"{whole * 1000:9.2f}", f"{api * 1000:9.2f}"]
        # Simultaneous calls take longer in sum than the page that waits for them.
        if 0 < api <= whole:
            cells += [f"{self.ours * 1000:9.2f}", f"{whole / api:6.2f}"]
        return " ".join([f"{name:<44}", *cells])


@contextmanager
def stopwatch(figures: Figures, calls: list[float]) -> Iterator[None]:
    """Measure one step; `calls` collects the durations of its API calls."""
    calls.clear()
    started = time.perf_counter()
    yield
    figures.whole.append(time.perf_counter() - started)
    figures.api.append(sum(calls))
