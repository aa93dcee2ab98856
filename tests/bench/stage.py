"""What every measurement needs: a port, a patient start, a stopwatch over the API calls."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median

import httpx

TOKEN = "bench-token-0123456789"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(url: str, *, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            if httpx.get(url).is_success:
                return
        except httpx.TransportError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.05)


@dataclass
class Figures:
    """Seconds, one of each a repetition: the whole, and the API calls in it."""

    whole: list[float] = field(default_factory=list)
    api: list[float] = field(default_factory=list)

    @property
    def ours(self) -> float:
        return median(whole - api for whole, api in zip(self.whole, self.api, strict=True))

    def row(self, name: str) -> str:
        whole, api = median(self.whole), median(self.api)
        cells = [f"{whole * 1000:9.2f}", f"{api * 1000:9.2f}"]
        # Calls made at once take longer together than the page that waits for them.
        if 0 < api <= whole:
            cells += [f"{self.ours * 1000:9.2f}", f"{whole / api:6.2f}"]
        return " ".join([f"{name:<44}", *cells])


@contextmanager
def stopwatch(figures: Figures, calls: list[float]) -> Iterator[None]:
    """Time one step; `calls` is where the durations of its API calls gather meanwhile."""
    calls.clear()
    started = time.perf_counter()
    yield
    figures.whole.append(time.perf_counter() - started)
    figures.api.append(sum(calls))
