"""A worker process that is killed while it waits for the answer to a batch."""

from __future__ import annotations

import os
import time
from pathlib import Path

from tests.receivers import Receiver, accept, never_answer, receiving
from tests.soak.processes import Worker, manage

ENTRIES = 300


def run_until(worker: Worker, receiver: Receiver, batches: int) -> None:
    """Start the worker, and kill it when the receiver has read that number of batches."""
    ends_at = time.monotonic() + 60
    worker.start()
    try:
        while len(receiver.batches) < batches:
            assert time.monotonic() < ends_at
            time.sleep(0.05)
    finally:
        worker.kill()


def test_a_killed_worker_leaves_no_entry_out(tmp_path: Path) -> None:
    with receiving() as receiver:
        env = os.environ | {
            # No activity, which would be delivered as well.
            "VERIFY_AT": "never",
            "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}",
            "AUDIT_STREAM": receiver.url,
        }
        manage(env, "migrate", "-v", "0")
        manage(env, "seed_audit", str(ENTRIES))
        receiver.behaviours = [accept, never_answer]
        worker = Worker(env, tmp_path)
        run_until(worker, receiver, 2)
        run_until(worker, receiver, 3)
    first, unanswered, repeated = receiver.batches
    assert repeated == unanswered
    assert len({document["event"]["id"] for document in first + repeated}) == ENTRIES
