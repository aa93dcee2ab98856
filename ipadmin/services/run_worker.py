"""Carry out runs, in the worker.

A worker claims a run for RUN_LEASE seconds and renews the claim; without a renewal another worker
takes over. Each address is carried out by its attempt id, which has at most one entry and makes at
most one call: whatever was interrupted can be carried out again. A worker that was suspended and
has lost its claim finishes the attempts in progress and starts no others.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import deque
from contextlib import suppress
from datetime import timedelta

import structlog
from django.conf import settings
from django.db import Error, close_old_connections, connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from ipadmin.access import USE_TOKENS
from ipadmin.models import ApiToken, AuditEntry, LinkKind, Outcome, Run, RunItem, RunState
from ipadmin.services import attempt, run_items, run_state
from ipadmin.services.attempt import Circumstances
from ipadmin.services.run_items import WITHOUT_EFFECT
from ipadmin.services.run_pace import Pace, calls_of
from ipadmin.services.run_state import WORKER, RunChanged, transition
from ipadmin.services.tokens import REJECTED, REJECTED_ORGANIZATION

log = structlog.get_logger(__name__)

# Error codes that every further attempt would have, too.
PERMANENT_ERRORS = {
    *REJECTED,
    *REJECTED_ORGANIZATION,
    *("missing_api_token", "scope_not_granted", "token_unreadable", "connect_again"),
}
# So many unknown outcomes, or entries that could not be written, in a row stop a run.
MAX_IN_A_ROW = 5
# Runs that one worker carries out at the same time.
MAX_RUNS = 4
# Seconds between two looks at the state of a run that waits, or whose database fails.
POLL_SECONDS = 1.0
# The fields of a run without a claim.
NO_CLAIM: dict[str, object] = {"claimed_by": None, "claimed_until": None}
# Attempts at once in this process, of all runs: each uses one connection to Katapult.
_attempt_slots = threading.BoundedSemaphore(settings.KATAPULT_MAX_CONNECTIONS)
_threads: list[threading.Thread] = []
_is_shutting_down = threading.Event()


def claim_runs() -> None:
    """Claim runs that wait for a worker, and carry out each in a thread of its own."""
    _threads[:] = [thread for thread in _threads if thread.is_alive()]
    while len(_threads) < MAX_RUNS and not _is_shutting_down.is_set() and (work := claim()):
        thread = threading.Thread(target=work.carry_out, daemon=True, name="run")
        _threads.append(thread)
        thread.start()


def shut_down() -> None:
    """Finish the attempts in progress, and release the claims."""
    _is_shutting_down.set()
    ends_at = time.monotonic() + 2 * settings.KATAPULT_TIMEOUTS["total"]
    for thread in _threads:
        thread.join(max(0.0, ends_at - time.monotonic()))


def claim() -> Work | None:
    """The oldest run without a worker: queued, or its worker has died. Each is claimed by one."""
    now = timezone.now()
    is_free = Q(state=RunState.QUEUED) | Q(state=RunState.RUNNING, claimed_until__lte=now)
    for run in Run.objects.filter(is_free).order_by("confirmed_at"):
        work = Work(run.pk)
        with transaction.atomic():
            is_claimed = Run.objects.filter(is_free, pk=run.pk).update(
                state=RunState.RUNNING,
                claimed_by=work.claim,
                claimed_until=now + timedelta(seconds=settings.RUN_LEASE),
                started_at=run.started_at or now,
            )
            if is_claimed and run.state == RunState.RUNNING:
                run_state.record(LinkKind.RUN_TAKEN_OVER, run, WORKER, {})
        if is_claimed:
            return work
    return None


class Work:
    """One claim of a run, and its addresses, carried out by several threads at once."""

    def __init__(self, run_id: uuid.UUID) -> None:
        self.run_id, self.claim = run_id, uuid.uuid4()
        self._items: deque[RunItem] = deque()
        self._pace = Pace()
        # One thread at a time waits for its turn.
        self._turn = threading.Lock()
        self._is_over = False
        self._looked_at = -POLL_SECONDS
        self._stop_reason = ""
        self._unknown = self._not_written = 0
        self._counting = threading.Lock()

    def carry_out(self) -> None:
        """Carry out the run, until it has ended or is no longer claimed."""
        try:
            self._items.extend(run_items.unfinished(Run.objects.get(pk=self.run_id)))
            threads = [
                threading.Thread(target=self._carry_out_items, daemon=True, name="run")
                for _ in range(settings.RUN_CONCURRENCY)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                while thread.is_alive():
                    thread.join(min(POLL_SECONDS, settings.RUN_LEASE / 3))
                    self._renew()
            self._conclude()
        except Error:
            # The claim ends, and the run is taken over.
            log.exception("run_not_concluded")
        finally:
            connection.close()

    def _renew(self) -> None:
        try:
            close_old_connections()
            until = timezone.now() + timedelta(seconds=settings.RUN_LEASE)
            self._claimed().update(claimed_until=until)
        except Error:
            log.exception("claim_not_renewed")

    def _claimed(self) -> QuerySet[Run]:
        """The run, if this worker still has it."""
        return Run.objects.filter(pk=self.run_id, claimed_by=self.claim)

    def _conclude(self) -> None:
        """Write how the run ended. If a person paused or stopped it, only release the claim."""
        run = Run.objects.get(pk=self.run_id)
        is_ours = Q(claimed_by=self.claim, state=RunState.RUNNING)
        ended = {"finished_at": timezone.now(), **NO_CLAIM}
        with suppress(RunChanged):
            if why := self._stop_reason:
                fields = {"state": RunState.STOPPED, "stop_reason": why, **ended}
                details = {"why": why}
                kind = LinkKind.RUN_STOPPED
                transition(run, kind, WORKER, only_if=is_ours, fields=fields, recorded=details)
            elif not run_items.unfinished(run):
                fields = {"state": RunState.FINISHED, **ended}
                transition(run, LinkKind.RUN_FINISHED, WORKER, only_if=is_ours, fields=fields)
        if _is_shutting_down.is_set():
            self._claimed().filter(state=RunState.RUNNING).update(state=RunState.QUEUED, **NO_CLAIM)
        self._claimed().exclude(state=RunState.RUNNING).update(**NO_CLAIM)

    def _carry_out_items(self) -> None:
        """In one of the threads."""
        structlog.contextvars.bind_contextvars(run=str(self.run_id))
        try:
            while not self._is_over:
                try:
                    if (taken := self._take()) is None:
                        return
                    self._attempt(*taken)
                except Error:
                    log.exception("database_failed")
                    time.sleep(POLL_SECONDS)
        except Exception:
            log.exception("run_failed")
            self._stop("internal_error")
        finally:
            connection.close()

    def _take(self) -> tuple[Run, RunItem] | None:
        """The next address, once there are calls for it; None if there is none."""
        with self._turn:
            while self._items and (run := self._current()):
                assert run.token  # noqa: S101 - else the run was stopped
                if not (seconds := self._pace.acquire(run.token.fingerprint, calls_of(run))):
                    return run, self._items.popleft()
                _is_shutting_down.wait(min(seconds, POLL_SECONDS))
        return None

    def _current(self) -> Run | None:
        """The run as it is now, if it still is to be carried out."""
        if self._is_over or _is_shutting_down.is_set():
            return None
        close_old_connections()
        going = self._claimed().filter(state=RunState.RUNNING)
        run = going.select_related("user", "token__owner").first()
        if run and (problem := _problem(run) or self._later_problem(run)):
            self._stop(problem)
        self._is_over = self._is_over or run is None
        return None if self._is_over else run

    def _later_problem(self, run: Run) -> str:
        """What takes longer to find out, looked for once a second."""
        if time.monotonic() - self._looked_at < POLL_SECONDS or run.token is None:
            return ""
        self._looked_at = time.monotonic()
        if not run.user.has_perm(USE_TOKENS):
            return "not_permitted"
        return "" if run.token.opens else "token_unreadable"

    def _stop(self, reason: str) -> None:
        self._is_over, self._stop_reason = True, self._stop_reason or reason

    def _attempt(self, run: Run, item: RunItem) -> None:
        """Carry out one address. It is tried again if nothing was sent because of the database."""
        assert run.token  # noqa: S101
        fingerprint = run.token.fingerprint
        by = Circumstances(run.user, run.token, run.reason, run.source_ip, run.request_id)
        try:
            with _attempt_slots:
                entry = attempt.carry_out(run_items.change_of(run, item), by)
                self._handle_outcome(entry, item, run.token, "")
                if run_items.restores(run, item) and entry.outcome == Outcome.SUCCEEDED:
                    entry = attempt.carry_out(run_items.dns_change_of(run, item), by)
                    self._handle_outcome(entry, item, run.token, "dns_")
        except attempt.OutcomeNotWritten:
            log.exception("outcome_not_written")
        except (attempt.AuditUnavailable, Error):
            log.exception("attempt_not_made")
            self._items.append(item)
            with self._counting:
                self._not_written += 1
            if self._not_written >= MAX_IN_A_ROW:
                self._stop(attempt.AuditUnavailable.code)
            time.sleep(POLL_SECONDS)
        finally:
            self._pace.release(fingerprint, calls_of(run))

    def _handle_outcome(
        self, entry: AuditEntry, item: RunItem, token: ApiToken, prefix: str
    ) -> None:
        """What an outcome means for the rest of the run. `prefix` is that of the item's fields."""
        if self._are_too_many_unknown(entry.outcome):
            self._stop("unknown_outcomes")
        elif run_items.was_limited(entry.outcome, entry.error_code):
            seconds = entry.error_detail.get("retry_after") or 0
            self._pace.back_off(
                token.fingerprint, float(seconds) if isinstance(seconds, int) else 0
            )
            if run_items.assign_new_attempt(item, prefix):
                self._items.appendleft(item)
        elif entry.error_code in PERMANENT_ERRORS and entry.outcome in WITHOUT_EFFECT:
            self._stop(entry.error_code)

    def _are_too_many_unknown(self, outcome: str) -> bool:
        """Whether so many in a row were unknown."""
        with self._counting:
            self._not_written = 0
            self._unknown = self._unknown + 1 if outcome == Outcome.UNKNOWN else 0
            return self._unknown >= MAX_IN_A_ROW


def _problem(run: Run) -> str:
    """Why no address of the run can be attempted now; empty if it can."""
    if run.token is None:
        return "token_deleted"
    if not run.user.is_active:
        return "owner_disabled"
    if run.api_url != settings.KATAPULT_API_URL:
        return "another_api"
    return "connect_again" if run.token.must_connect_again else ""
