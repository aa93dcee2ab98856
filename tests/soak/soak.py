"""One soak: starts the processes, waits, compares, prints."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import connection

from ipadmin.katapult.types import Organization, Secret
from ipadmin.models import ApiToken, AuditEntry, User
from tests.soak.chaos import Chaos, Stage
from tests.soak.compare import compare
from tests.soak.compare_runs import compare_runs
from tests.soak.faults import MAX_DELAY_SECONDS
from tests.soak.figures import figures
from tests.soak.operators import Operator
from tests.soak.person import PASSWORD, Shared
from tests.soak.processes import Box, Process, Web, Worker, free_port, manage
from tests.soak.runs import has_going_runs
from tests.soak.world import Allocator, World, records

PROGRESS_INTERVAL_SECONDS = 5.0
# Until all attempts are finished; several times EVIDENCE_DEADLINE.
SETTLE_TIMEOUT_SECONDS = 180.0


def soak(
    env: dict[str, str],
    folder: Path,
    *,
    sandbox_port: int,
    seed: int,
    attempts: int,
    kills: int,
    operators: int,
) -> int:
    """Run it, print the figures, and return the number of differences."""
    call_command("migrate", verbosity=0)
    names = [f"operator-{number}" for number in range(1, operators + 1)]
    secrets = {name: f"soak-token-of-{name}" for name in names}
    box = Box(env, folder, port=sandbox_port, seed=seed, tokens=list(secrets.values()))
    stage = Stage(Web(env, folder, free_port()), Worker(env, folder), env)
    with _running(box), httpx.Client(base_url=box.url, verify=False, timeout=60) as http:
        world = World(http)
        tokens = _people(secrets, world)
        with _running(stage.web, stage.worker):
            shared = Shared(stage.web.url, world.begin(), attempts, seed)
            _play(shared, world, stage, tokens, kills)
            say("soak: waiting for open attempts")
            shared.problems += _settle(env)
            time.sleep(MAX_DELAY_SECONDS)  # for requests that are carried out late
            stage.web.stop()
            stage.worker.stop()
        found = records(world, folder, is_gapless=connection.vendor == "sqlite")
    found.attempt_ids, found.observations = shared.attempt_ids, shared.observations
    differences = [*shared.problems, *compare(found), *compare_runs(found)]
    for line in figures(found, shared, stage):
        say(line)
    for difference in differences:
        say(f"DIFFERENCE: {difference}")
    if differences:
        say(f"Ledger, entries and logs are in {folder}")
    made, killed = len(found.attempts), sum(stage.killed.values())
    say(f"soak: {made} attempts, {killed} kills, {len(differences)} differences")
    return len(differences)


def _play(
    shared: Shared,
    world: World,
    stage: Stage,
    tokens: dict[str, str],
    kills: int,
) -> None:
    """Run operators, kills and allocations until enough attempts were made."""
    allocator = Allocator(world, shared.pool, shared.seed)
    chaos = Chaos(stage, shared, kills)
    people = [Operator(shared, name, token) for name, token in tokens.items()]
    for thread in (allocator, chaos, *people):
        thread.start()
    _watch(shared, [*people, chaos], stage)
    allocator.stop.set()
    allocator.join()
    if allocator.failure:
        shared.problems.append(allocator.failure)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@contextmanager
def _running(*processes: Process) -> Iterator[None]:
    """Start the processes, and kill them at the end."""
    try:
        for process in processes:
            process.start()
        yield
    finally:
        for process in processes:
            process.kill()


def _people(secrets: dict[str, str], world: World) -> dict[str, str]:
    """Make the operators, each with a token. Name to token id."""
    given = world.now()["organizations"][0]
    organization = Organization(given["id"], given["name"], given["sub_domain"])
    found: dict[str, str] = {}
    for name, secret in secrets.items():
        user = User.objects.create_user(name, password=PASSWORD)
        user.groups.add(Group.objects.get(name="operator"))
        token = ApiToken(
            owner=user,
            label=f"Token of {name}",
            organization_id=organization.id,
            organization_name=organization.name,
            organization_sub_domain=organization.sub_domain,
        )
        token.encrypt_secret(Secret(secret))
        token.save(force_insert=True)
        found[name] = str(token.pk)
    return found


def _watch(shared: Shared, threads: Iterable[Operator | Chaos], stage: Stage) -> None:
    """Print the progress until all threads have ended."""
    threads = list(threads)
    printed_at = 0.0
    while any(thread.is_alive() for thread in threads):
        if time.monotonic() - printed_at >= PROGRESS_INTERVAL_SECONDS:
            printed_at = time.monotonic()
            still_open = AuditEntry.objects.filter(finished_at=None).count()
            say(
                f"soak: {printed_at - shared.begun:4.0f} s, "
                f"{len(shared.attempt_ids)} of {shared.wanted} attempts, {still_open} open, "
                f"{sum(stage.killed.values())} kills, {len(shared.problems)} problems"
            )
        time.sleep(0.1)


def _settle(env: dict[str, str]) -> list[str]:
    """Wait until the worker has finished all runs and entries; then `manage.py reconcile` has none
    left."""
    deadline = time.monotonic() + SETTLE_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if not has_going_runs() and not AuditEntry.objects.filter(finished_at=None).exists():
            break
        time.sleep(0.2)
    printed = manage(env, "reconcile").strip().splitlines()[-1]
    return [] if printed == "0 finished, 0 open" else [f"manage.py reconcile printed: {printed}"]
