"""The background worker, and who is told when it does not run."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone
from django_tasks_db.management.commands.db_worker import Worker
from django_tasks_db.models import DBTaskResult

from ipadmin import tasks
from ipadmin.models import AuditEntry, User
from tests import tampering
from tests.conftest import ClientOf

# The worker opens and closes connections of its own.
pytestmark = pytest.mark.django_db(transaction=True)


def run_worker_once() -> None:
    tasks.schedule()
    # Not the command, which would take pytest's signals.
    Worker(
        queue_names=["default"],
        interval=0,
        batch=True,
        backend_name="default",
        startup_delay=False,
        max_tasks=None,
        worker_id="tests",
        excluded_queue_names=[],
    ).run()


def test_a_reconciliation_is_enqueued_at_most_once() -> None:
    tasks.schedule()
    tasks.schedule()
    assert DBTaskResult.objects.count() == 1


def test_the_worker_closes_interrupted_attempts() -> None:
    tampering.opened(created_at=timezone.now() - timedelta(hours=1))
    run_worker_once()
    assert AuditEntry.objects.get().error_code == "interrupted"
    assert DBTaskResult.objects.get().return_value == 1


def test_old_task_results_are_removed() -> None:
    with time_machine.travel(timezone.now() - timedelta(days=2)):
        run_worker_once()
    run_worker_once()
    assert DBTaskResult.objects.count() == 1


def test_a_worker_is_running_as_long_as_its_work_is_done() -> None:
    assert not tasks.worker_is_running()
    run_worker_once()
    assert tasks.worker_is_running()
    with time_machine.travel(timezone.now() + tasks.SILENCE * 2):
        assert not tasks.worker_is_running()


def test_administrators_are_told_of_a_missing_worker(adam: User, client_of: ClientOf) -> None:
    told = "The background worker is not running"
    assert told in client_of(adam).get("/people/").text
    run_worker_once()
    assert told not in client_of(adam).get("/people/").text


def test_only_administrators_are_told_of_a_missing_worker(alice: User, client_of: ClientOf) -> None:
    assert "worker" not in client_of(alice).get("/tokens/").text


def test_operators_are_told_of_their_open_attempts(
    alice: User, bob: User, client_of: ClientOf
) -> None:
    entry = AuditEntry.objects.create(
        attempt_id=uuid.uuid4(),
        user_id=alice.pk,
        token_id=uuid.uuid4(),
        address_id="ip_a",
        address="192.0.2.1",
    )
    told = "1 of your attempts is still being checked"
    page = client_of(alice).get("/tokens/").text
    assert told in page
    assert entry.get_absolute_url() in page
    assert told not in client_of(bob).get("/tokens/").text
