"""`make bench` measures: each page without its API calls; the cost of a new connection for a
change; the cost of seals for an attempt; runs and the rate limit; and a small and a large history,
compared with django-auditlog in Django's admin.

The site runs through Django's test client (all middleware, a real database with real commits), the
sandbox in another process without added latency. Figures are medians. Compare ratios, because
machines differ. A million entries take a quarter of an hour or more, mostly to make them up.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.bench import growth
from tests.bench.stage import (
    ENVIRONMENT,
    LIMIT,
    TOKEN,
    WINDOW_SECONDS,
    database,
    free_port,
    wait_for,
)

OF_CLICKS = ("--addresses", "800", "--rate-limit", "1000000000")
OF_RUNS = (
    *("--addresses", "8000", "--rate-limit", str(LIMIT)),
    *("--rate-limit-window", str(WINDOW_SECONDS)),
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--entries", type=int, default=growth.MANY, help="of the large history")
    entries = parser.parse_args().entries
    os.environ.update(ENVIRONMENT)
    with tempfile.TemporaryDirectory() as name, sandbox() as url, sandbox(50) as slow:
        folder = Path(name)
        click = {"KATAPULT_API_URL": url, "DATABASE_URL": database(folder, "click")}
        run("click", url, env=click)
        reading = {"KATAPULT_API_URL": slow, "DATABASE_URL": database(folder, "reading")}
        run("reading", slow, env=reading)
        run("sealing", env=click)
        with sandbox(50, options=OF_RUNS) as limited:
            window = {"RATE_LIMIT_WINDOW": str(WINDOW_SECONDS)}
            window |= {"KATAPULT_API_URL": limited, "DATABASE_URL": database(folder, "runs")}
            run("runs", limited, env=window)
        few, many = database(folder, "few"), database(folder, "many")
        growth.compare({growth.FEW: few, entries: many})
        run("auditlog", "--count", str(entries), "--ours", env={"DATABASE_URL": many})


def run(module: str, *arguments: str, env: dict[str, str]) -> None:
    """Run in a new process, because settings are read on import."""
    command = [sys.executable, "-m", f"tests.bench.{module}", *arguments]
    subprocess.run(command, env=os.environ | env, check=True)


@contextmanager
def sandbox(latency_ms: int = 0, *, options: Sequence[str] = OF_CLICKS) -> Iterator[str]:
    """The URL of a sandbox."""
    port = free_port()
    command = [sys.executable, "-m", "ipadmin.sandbox", "--port", str(port), "--token", TOKEN]
    command += ["--latency-ms", str(latency_ms), *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(f"{url}/_sandbox/health")
        yield url
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
