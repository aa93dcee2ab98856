"""Background work, done by `manage.py worker`."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone
from django_tasks import task
from django_tasks_db.models import DBTaskResult

from ipadmin.services.reconcile import reconcile

# The results of a task that runs every few seconds are worth keeping for a day at most.
RESULTS_KEPT = timedelta(days=1)
# Several times what a healthy worker needs between two runs.
SILENCE = timedelta(seconds=60)


@task()
def reconcile_attempts() -> int:
    """Close interrupted attempts; returns how many were closed."""
    closed = len(reconcile())
    results = DBTaskResult.objects.filter(task_path=reconcile_attempts.module_path)
    results.filter(enqueued_at__lt=timezone.now() - RESULTS_KEPT).delete()
    return closed


def schedule() -> None:
    """Have the next run waiting, unless one is."""
    waiting = DBTaskResult.objects.ready().filter(task_path=reconcile_attempts.module_path)
    if not waiting.exists():
        reconcile_attempts.enqueue()


def worker_is_running() -> bool:
    """Whether a worker has done its work lately."""
    done = DBTaskResult.objects.successful().filter(task_path=reconcile_attempts.module_path)
    return done.filter(finished_at__gte=timezone.now() - SILENCE).exists()
