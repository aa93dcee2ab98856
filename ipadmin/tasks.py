"""Background work, done by `manage.py worker`."""

from __future__ import annotations

from datetime import timedelta

import structlog
from django.db import DatabaseError
from django.db.models import Q
from django.utils import timezone
from django_tasks import task
from django_tasks_db.models import DBTaskResult

from ipadmin.audit.integrity import verification
from ipadmin.models import AuditVerification
from ipadmin.services.reconcile import reconcile

log = structlog.get_logger(__name__)

# The results of tasks that run every few seconds are worth keeping for a day at most.
RESULTS_KEPT = timedelta(days=1)
# Several times what a healthy worker needs between two runs.
SILENCE = timedelta(seconds=60)
# Seconds of a verification at a time: what else is due waits no longer.
STRETCH = 2


@task()
def reconcile_attempts() -> int:
    """Close interrupted attempts; returns how many were closed."""
    closed = len(reconcile())
    _forget_results(reconcile_attempts.module_path)
    return closed


@task()
def continue_verification() -> int:
    """Take the verification that was asked for first further; returns the link it came to."""
    running = AuditVerification.objects.filter(finished_at=None)
    asked = running.order_by("pk").first()
    if asked:
        _take_further(asked)
    if running.exists():
        # Behind the work that waits by now.
        continue_verification.enqueue()
    _forget_results(continue_verification.module_path)
    return asked.sequence if asked else 0


def _take_further(asked: AuditVerification) -> None:
    try:
        verification.step(asked, seconds=STRETCH)
    except DatabaseError:
        # It goes on where it was, in the next round.
        raise
    except Exception as error:
        log.exception("verification_failed", verification=asked.pk)
        finding = f"It could not be verified: {type(error).__name__}. The log says more."
        verification.give_up(asked, finding)


def schedule() -> None:
    """Have the next run of each task waiting, unless one is."""
    waiting = DBTaskResult.objects.ready().filter(task_path=reconcile_attempts.module_path)
    if not waiting.exists():
        reconcile_attempts.enqueue()
    if AuditVerification.objects.filter(finished_at=None).exists() and not _is_verifying():
        continue_verification.enqueue()


def worker_is_running() -> bool:
    """Whether a worker has done its work lately."""
    done = DBTaskResult.objects.successful().filter(task_path=reconcile_attempts.module_path)
    return done.filter(finished_at__gte=timezone.now() - SILENCE).exists()


def _is_verifying() -> bool:
    """Whether a stretch waits, or is under way. One that began long ago was killed."""
    alive = Q(started_at=None) | Q(started_at__gte=timezone.now() - SILENCE)
    tasks = DBTaskResult.objects.ready() | DBTaskResult.objects.running()
    return tasks.filter(alive, task_path=continue_verification.module_path).exists()


def _forget_results(task_path: str) -> None:
    results = DBTaskResult.objects.filter(task_path=task_path)
    results.filter(enqueued_at__lt=timezone.now() - RESULTS_KEPT).delete()
