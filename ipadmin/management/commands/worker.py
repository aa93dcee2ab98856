from __future__ import annotations

import threading
import time
from typing import Any

import structlog
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import DatabaseError, close_old_connections

from ipadmin import tasks

log = structlog.get_logger(__name__)


class Command(BaseCommand):
    help = "Do the background work: close interrupted and unanswered attempts."

    def handle(self, *_args: Any, **_options: Any) -> None:
        # A thread, and not a task that enqueues itself: a worker that is killed in the middle
        # would take such a chain with it.
        threading.Thread(target=_keep_scheduled, daemon=True, name="schedule").start()
        call_command("db_worker", interval=1, verbosity=0, reload=False)


def _keep_scheduled() -> None:
    while True:
        try:
            close_old_connections()
            tasks.schedule()
        except DatabaseError:
            log.exception("not_scheduled")
        time.sleep(settings.RECONCILE_EVERY)
