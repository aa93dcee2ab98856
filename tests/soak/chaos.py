"""The kills and restarts of a soak."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ipadmin.models import AuditEntry, Outcome
from tests.soak.person import Shared
from tests.soak.processes import Web, Worker, manage

KINDS = ("one web process", "the whole site", "the worker", "everything at once")


@dataclass(slots=True)
class Stage:
    """The processes that can be killed."""

    web: Web
    worker: Worker
    env: dict[str, str]
    killed: Counter[str] = field(default_factory=Counter)
    last_kill: datetime = field(default_factory=lambda: datetime.now(UTC))

    def kill(self, kind: str, number: int) -> None:
        self.last_kill = datetime.now(UTC)
        if kind == "one web process":
            self.web.kill_one(number)
        if kind in {"the whole site", "everything at once"}:
            self.web.kill()
        if kind in {"the worker", "everything at once"}:
            self.worker.kill()
        self.last_kill = datetime.now(UTC)
        self.killed[kind] += 1
        if self.web.has_ended():
            self.web.start()
        if self.worker.has_ended():
            self.worker.start()


class Chaos(threading.Thread):
    """Kills processes at random times, and sometimes restarts the site with SIGTERM."""

    def __init__(self, stage: Stage, shared: Shared, kills: int) -> None:
        super().__init__(name="chaos", daemon=True)
        self.stage, self.shared = stage, shared
        self.rng = random.Random(f"{shared.seed} chaos")
        rounds = [self.rng.sample(KINDS, len(KINDS)) for _ in range(kills // len(KINDS) + 1)]
        self.kinds = [kind for each in rounds for kind in each][:kills]

    def run(self) -> None:
        try:
            for number, kind in enumerate(self.kinds):
                self._wait_until((number + self.rng.random()) / (len(self.kinds) + 0.5))
                time.sleep(self.rng.random() * 0.5)
                self.stage.kill(kind, number)
                if number % 3 == 1:
                    time.sleep(1)
                    self._other(number)()
        except Exception as error:  # noqa: BLE001 - reported at the end
            self.shared.problems.append(f"the kills ended early: {error!r}")
            self.shared.stop.set()

    def _wait_until(self, part: float) -> None:
        """Wait until this part of the attempts was made."""
        while (
            len(self.shared.attempt_ids) < part * self.shared.wanted
            and not self.shared.stop.is_set()
        ):
            time.sleep(0.02)

    def _other(self, number: int) -> Callable[[], None]:
        return self._restart if number % 2 else self._reconcile

    def _restart(self) -> None:
        """After SIGTERM, no attempt that began since the last kill may be pending."""
        self.stage.web.stop()
        # Those of runs are the worker's.
        pending = AuditEntry.objects.filter(outcome=Outcome.PENDING, finished_at=None, run_id=None)
        for entry in pending.filter(created_at__gt=self.stage.last_kill):
            self.shared.problems.append(f"{entry.attempt_id} was lost in a graceful stop")
        self.shared.did["restarted with SIGTERM"] += 1
        self.stage.web.start()

    def _reconcile(self) -> None:
        """Run `manage.py reconcile` while the worker does the same."""
        manage(self.stage.env, "reconcile")
        self.shared.did["reconciled by hand"] += 1
