"""Measures runs: how much of the rate limit one uses, how two on one token share it, and whether
clicks are slower meanwhile. The worker is another process, as on a server; the sandbox's window of
1,000 calls, and with it the product's, is shorter than a minute."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import django

django.setup()

import httpx  # noqa: E402
from django.conf import settings  # noqa: E402
from django.contrib.auth.models import Group  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import override_settings  # noqa: E402
from django.utils import timezone  # noqa: E402

from ipadmin.audit.activity import Actor  # noqa: E402
from ipadmin.models import ApiToken, AuditEntry, Run, RunState, User  # noqa: E402
from ipadmin.services import budget, runs  # noqa: E402
from tests.bench import click  # noqa: E402
from tests.bench.stage import LIMIT, WINDOW_SECONDS, Figures  # noqa: E402
from tests.conftest import prove_identity  # noqa: E402

CLICKS = 30


def run(sandbox: str) -> None:
    """Measure and print; `sandbox` is the URL of a sandbox with 8,000 addresses and LIMIT."""
    logging.disable(logging.INFO)
    call_command("migrate", verbosity=0)
    user = User.objects.create_user("runner")
    user.groups.add(Group.objects.get(name="operator"))
    token = click.token_for(user, "Runs")
    free = iter(click.allocated(sandbox, token).items())
    client = Client()
    client.force_login(user)
    prove_identity(client, user)
    with override_settings(STORAGES=click.PLAIN), _worker():
        _alone(sandbox, token, free)
        _two(token, free)
        _clicks(client, token, free)


def _alone(sandbox: str, token: ApiToken, free: Iterator[tuple[str, str]]) -> None:
    """One run of 1,000 addresses, which needs two windows and a little of a third."""
    begins = _next_window()
    made = _start(token, free, 1000)
    _wait_for(made)
    calls, refused = Counter[int](), 0
    for line in httpx.get(f"{sandbox}/_sandbox/ledger", timeout=60).text.splitlines():
        entry = json.loads(line)
        passed = datetime.fromisoformat(entry["received_at"]) - begins
        calls[int(passed.total_seconds() // WINDOW_SECONDS)] += 1
        refused += entry["status"] == 429
    shares = ", ".join(f"{calls[window] / LIMIT:.1%}" for window in (0, 1))
    print(f"A run of 1,000 addresses: {shares} of {LIMIT} calls a window, {refused} times 429")


def _two(token: ApiToken, free: Iterator[tuple[str, str]]) -> None:
    """Two runs on one token, in the window after the one in which they have begun."""
    begins = _next_window() + timedelta(seconds=WINDOW_SECONDS)
    both = [_start(token, free, 700), _start(token, free, 700)]
    time.sleep((begins - timezone.now()).total_seconds() + WINDOW_SECONDS)
    ends = begins + timedelta(seconds=WINDOW_SECONDS)
    made = AuditEntry.objects.filter(created_at__gte=begins, created_at__lt=ends)
    first, second = (made.filter(run_id=each.pk).count() for each in both)
    apart = abs(first - second) / max(first, second, 1)
    print(f"Two runs on one token: {first} and {second} addresses in a window, {apart:.1%} apart")
    _wait_for(*both)


def _clicks(client: Client, token: ApiToken, free: Iterator[tuple[str, str]]) -> None:
    """Confirmations and attempts without a run and with one."""
    _next_window()
    click.listen()
    quiet = click.clicks(client, token, dict(next(free) for _ in range(CLICKS)))
    _next_window()
    made = _start(token, free, 700)
    time.sleep(2)
    busy = click.clicks(client, token, dict(next(free) for _ in range(CLICKS)))
    made.refresh_from_db()
    assert made.state == RunState.RUNNING, made.state
    _print("Confirmation (GET)", quiet[0], busy[0])
    _print("Act and result (POST)", quiet[1], busy[1])
    _wait_for(made)


def _print(name: str, quiet: Figures, busy: Figures) -> None:
    print(
        f"{name:<24} ours, median of {CLICKS}: {quiet.ours * 1000:.1f} ms, "
        f"with a run {busy.ours * 1000:.1f} ms"
    )


def _start(token: ApiToken, free: Iterator[tuple[str, str]], count: int) -> Run:
    made = runs.draft(token.owner, token, [next(free)[0] for _ in range(count)])
    runs.start(made, Actor(user_id=token.owner_id, user_name="runner"))
    return made


def _wait_for(*made: Run) -> None:
    """Wait until runs have finished; all of their addresses have succeeded."""
    for each in made:
        while not each.has_ended:
            time.sleep(0.5)
            each.refresh_from_db()
        outcomes = Counter(
            AuditEntry.objects.filter(run_id=each.pk).values_list("outcome", flat=True)
        )
        assert outcomes == {"succeeded": each.items.count()}, (each.state, outcomes)


def _next_window() -> datetime:
    """Wait for it, and return its beginning."""
    begins = budget.window() + budget.window_length()
    time.sleep((begins - timezone.now()).total_seconds())
    return begins


@contextmanager
def _worker() -> Iterator[None]:
    assert settings.RATE_LIMIT_WINDOW == WINDOW_SECONDS
    command = [sys.executable, "manage.py", "worker"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    run(sys.argv[1])
