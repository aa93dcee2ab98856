"""Worker processes that notify: one that is killed while a target does not answer, and two at
once."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from tests.receivers import Handler, Receiver, receiving
from tests.soak.processes import Worker, manage

SECRET = "planted-secret"
REQUEST = "from ipadmin.services.notifications import request_test; request_test()"
# Instead of waiting until its claim ends.
END_CLAIM = """
from django.utils import timezone
from ipadmin.models import NotificationDelivery
assert NotificationDelivery.objects.update(next_at=timezone.now()) == 1
"""
SHOW = """
from ipadmin.models import NotificationDelivery
print(list(NotificationDelivery.objects.values_list("state", "tries", "error")))
"""


def keep(handler: Handler) -> None:
    body = handler.rfile.read(int(handler.headers["Content-Length"]))
    handler.server.batches.append([json.loads(body)])


def accept(handler: Handler) -> None:
    keep(handler)
    handler.answer(200)


def never_answer(handler: Handler) -> None:
    keep(handler)
    handler.server.is_over.wait(30)


def wait_for(receiver: Receiver, messages: int) -> None:
    ends_at = time.monotonic() + 60
    while len(receiver.batches) < messages:
        assert time.monotonic() < ends_at
        time.sleep(0.05)


def test_a_killed_worker_repeats_a_message_once(tmp_path: Path) -> None:
    with receiving(accept) as receiver:
        env = os.environ | {
            "VERIFY_AT": "never",
            "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}",
            "NOTIFY_URLS": f"json://{SECRET}@127.0.0.1:{receiver.server_port}/{SECRET}?rto=30",
        }
        manage(env, "migrate", "-v", "0")
        manage(env, "shell", "-v", "0", "-c", REQUEST)
        receiver.behaviours = [never_answer]
        (tmp_path / "second").mkdir()
        workers = [Worker(env, tmp_path), Worker(env, tmp_path / "second")]
        try:
            workers[0].start()
            wait_for(receiver, 1)
            workers[0].kill()
            manage(env, "shell", "-v", "0", "-c", END_CLAIM)
            for worker in workers:
                worker.start()
            wait_for(receiver, 2)
            # Time for the other one to send it as well.
            time.sleep(3)
        finally:
            for worker in workers:
                worker.kill()
        shown = manage(env, "shell", "-v", "0", "-c", SHOW)
    first, again = receiver.batches
    assert first == again
    assert shown.strip() == "[('sent', 2, '')]"
    logs = "".join(worker.log.read_text() for worker in workers)
    assert "notification_sent" in logs
    assert SECRET not in logs + shown
