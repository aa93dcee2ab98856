from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial

import structlog
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import close_old_connections

from ipadmin import cache, tasks
from ipadmin.audit.integrity import verification
from ipadmin.audit.stream import delivery
from ipadmin.services import notifications, notify, run_approval, run_worker, runs
from ipadmin.sessions import SessionStore

VERIFY_EVERY_SECONDS = 1.0
DELETE_EXPIRED_EVERY_SECONDS = 3600.0
RUNS_EVERY_SECONDS, APPROVALS_EVERY_SECONDS = 1.0, 30.0
STREAM_EVERY_SECONDS, STREAM_PAUSE_AFTER_FAILURE_SECONDS = 1.0, 15.0
NOTIFY_EVERY_SECONDS = 1.0

log = structlog.get_logger(__name__)


class Command(BaseCommand):
    help = "Do the background work: finish attempts, runs, verify, stream, notify."

    def handle(self, *_args: object, **_options: object) -> None:
        # Threads, because a task that enqueues its successor ends for good when its worker is
        # killed. The stream and each target of notifications have their own, so that a slow one
        # delays nothing else.
        _keep_doing(tasks.schedule, every=settings.RECONCILE_EVERY)
        _keep_doing(_verify, every=VERIFY_EVERY_SECONDS)
        _keep_doing(_delete_expired, every=DELETE_EXPIRED_EVERY_SECONDS)
        _keep_doing(run_worker.claim_runs, every=RUNS_EVERY_SECONDS)
        _keep_doing(run_approval.expire, every=APPROVALS_EVERY_SECONDS)
        if settings.AUDIT_STREAM:
            _keep_doing(_stream, every=STREAM_EVERY_SECONDS)
        if settings.NOTIFY_URLS:
            _keep_doing(_find_notifications, every=NOTIFY_EVERY_SECONDS)
        for target in notify.targets():
            _keep_doing(partial(notify.send_due, target), every=NOTIFY_EVERY_SECONDS)
        try:
            call_command("db_worker", interval=1, verbosity=0, reload=False)
        finally:
            run_worker.shut_down()


def _delete_expired() -> None:
    runs.delete_old_drafts()
    SessionStore.clear_expired()
    cache.delete_expired()
    notifications.delete_old()


def _verify() -> None:
    verification.request_nightly()
    verification.perform_requested()


def _stream() -> None:
    if not delivery.deliver():
        time.sleep(STREAM_PAUSE_AFTER_FAILURE_SECONDS)


def _find_notifications() -> None:
    notifications.collect()
    notify.prepare()


def _keep_doing(work: Callable[[], object], *, every: float) -> None:
    """Call `work` in a thread of its own, with pauses of `every` seconds."""

    name = getattr(work, "func", work).__name__

    def keep_doing() -> None:
        while True:
            try:
                close_old_connections()
                work()
            except Exception:  # the next round tries again
                log.exception("not_done", work=name)
            time.sleep(every)

    threading.Thread(target=keep_doing, daemon=True, name=name).start()
