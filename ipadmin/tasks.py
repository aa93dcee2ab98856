"""Background work, done by `manage.py worker`."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone
from django_tasks import task
from django_tasks_db.models import DBTaskResult

from ipadmin.services.reconcile import reconcile

# Results of a task that runs every few seconds.
RESULTS_KEPT = timedelta(days=1)
# Several times as long as between two runs of a healthy worker.
SILENCE = timedelta(seconds=60)


@task()
def reconcile_attempts() -> int:
    """Finish interrupted attempts; returns how many."""
    closed = len(reconcile())
    DBTaskResult.objects.filter(
        task_path=reconcile_attempts.module_path, enqueued_at__lt=timezone.now() - RESULTS_KEPT
    ).delete()
    return closed


def schedule() -> None:
    """Enqueue the next run, unless one is waiting."""
    waiting = DBTaskResult.objects.ready().filter(task_path=reconcile_attempts.module_path)
    if not waiting.exists():
        reconcile_attempts.enqueue()


def worker_is_running() -> bool:
    """Whether a worker has finished a run recently."""
    done = DBTaskResult.objects.successful().filter(task_path=reconcile_attempts.module_path)
    return done.filter(finished_at__gte=timezone.now() - SILENCE).exists()
