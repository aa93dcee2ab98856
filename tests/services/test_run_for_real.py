"""Two runs on one token over real HTTP, with two workers and a small rate limit."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator

import pytest
from pytest_django import Settings

from ipadmin.audit.activity import Actor
from ipadmin.katapult.client import KatapultClient
from ipadmin.katapult.types import VIRTUAL_MACHINE, Secret
from ipadmin.models import AuditEntry, Outcome, Run, RunState, User
from ipadmin.sandbox import Sandbox
from ipadmin.services import api, inventory, run_worker, runs
from tests.services.conftest import PLANTED, keep_token

WINDOW, LIMIT, SIZE = 2.0, 60, 20


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[Sandbox]:
    settings.RATE_LIMIT_WINDOW = WINDOW
    limits = {"rate_limit": LIMIT, "rate_limit_window": WINDOW}
    with Sandbox(addresses=200, token=PLANTED, **limits) as box:
        client = KatapultClient(box.url, user_agent="tests", observe=api.observe)
        monkeypatch.setattr(api, "client", lambda: client)
        yield box
        client.close()


@pytest.mark.django_db(transaction=True)
def test_two_runs_share_a_small_limit(alice: User, box: Sandbox) -> None:
    organization = api.client().organizations(Secret(PLANTED)).value[0]
    token = keep_token(alice, PLANTED, organization)
    listed = inventory.read_allocated(token).addresses
    ids = [ip.id for ip in listed if ip.allocation and ip.allocation.type == VIRTUAL_MACHINE]
    works = []
    for part in (ids[:SIZE], ids[SIZE : 2 * SIZE]):
        run = runs.draft(alice, token, part)
        runs.start(run, Actor(alice.pk, alice.username))
        works.append(run_worker.claim())
    workers = [threading.Thread(target=work.carry_out) for work in works if work]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert {*Run.objects.values_list("state", flat=True)} == {RunState.FINISHED}
    assert {*AuditEntry.objects.values_list("outcome", flat=True)} == {Outcome.SUCCEEDED}
    ledger = box.ledger()
    acted = Counter(each["ip_address"] for each in ledger if each["acted"])
    assert acted == Counter(ids[: 2 * SIZE])
    assert 429 not in {each["status"] for each in ledger}
