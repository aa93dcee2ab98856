from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import structlog
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import close_old_connections

from ipadmin import tasks
from ipadmin.audit.integrity import verification
from ipadmin.audit.stream import delivery

STREAM_EVERY = 1.0
VERIFY_EVERY_SECONDS = 1.0

log = structlog.get_logger(__name__)


class Command(BaseCommand):
    help = "Do the background work: close unanswered attempts, verify, stream finished entries."

    def handle(self, *_args: Any, **_options: Any) -> None:
        # Threads, not tasks that enqueue themselves: a worker that is killed in the middle would
        # take such a chain with it. The stream may wait for its target, and nothing else for it.
        _keep_doing(tasks.schedule, every=settings.RECONCILE_EVERY)
        _keep_doing(verification.perform_requested, every=VERIFY_EVERY_SECONDS)
        if settings.AUDIT_STREAM:
            _keep_doing(delivery.send_some, every=STREAM_EVERY)
        call_command("db_worker", interval=1, verbosity=0, reload=False)


def _keep_doing(work: Callable[[], object], *, every: float) -> None:
    """In a thread of its own, with so many seconds in between."""

    def keep_doing() -> None:
        while True:
            try:
                close_old_connections()
                work()
            except Exception:  # whatever it is: the next round comes
                log.exception("not_done", work=work.__name__)
            time.sleep(every)

    threading.Thread(target=keep_doing, daemon=True, name=work.__name__).start()
