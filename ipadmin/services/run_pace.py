"""The pace of runs: how many calls a run may make now, within the rate limit of its token.

Katapult's answers say how many calls are left in this minute. A run leaves the reserve of
`budget.py` to people, and shares the rest equally with the other runs on the token, in any process.
Calls in flight in this process are counted as made; those of other processes are not known here,
and the reserve covers them.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from math import ceil

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from ipadmin.models import ApiToken, AuditEntry, Run, RunState
from ipadmin.services import budget

# Calls of an attempt: it reads the address, and changes it.
CALLS = 2
# For estimates: the usual limit of a minute [seen], and the seconds of a call.
DEFAULT_LIMIT = 1000
SECONDS_PER_CALL = 0.3
# Parts of a minute. In the first, Katapult's clock may still be in the minute before. In the last,
# every run may use what is unused of all shares.
FIRST_PART, LAST_PART = 1 / 60, 1 / 4
# A run spreads its calls over this part of a minute, so that people who click do not wait for the
# database or Katapult behind it.
SPREAD = 0.85
# Seconds between two addresses while no answer has said how many calls are left.
PROBE_SECONDS = 2.0
# Seconds until calls in flight may have ended, and between two counts of the runs on a token.
SOON, COUNT_SECONDS = 0.05, 1.0

_lock = threading.Lock()
# Calls in flight of the runs of this process, by the fingerprint of their token.
_in_flight: Counter[str] = Counter()


class Pace:
    """The share of one run. Its methods may be called by several threads. `fingerprint` is that of
    the token as it was when the calls were taken: a refresh changes it."""

    def __init__(self) -> None:
        self._not_before = timezone.now()
        self._probed_at = self._counted_at = -PROBE_SECONDS
        self._runs = 1
        # The calls left to this run, as computed in this minute for so many runs.
        self._share = 0.0
        self._shared_for: tuple[datetime, int] | None = None
        # The earliest time of the next address.
        self._next_at = datetime.min.replace(tzinfo=UTC)

    def acquire(self, fingerprint: str, calls: int) -> float:
        """Take the calls of one address. Returns 0, or the seconds after which to ask again; then
        nothing was taken."""
        window, length = budget.window(), budget.window_length()
        now = timezone.now()
        passed = now - window
        next_at = min(self._next_at, window + length * SPREAD)
        earliest = max(self._not_before, window + length * FIRST_PART, next_at)
        if earliest > now:
            return (earliest - now).total_seconds()
        self._count(fingerprint)
        is_last_part = passed > length * (1 - LAST_PART)
        with _lock:
            room = self._room(fingerprint, window, is_last_part=is_last_part)
            if room >= calls:
                _in_flight[fingerprint] += calls
                self._share -= calls
                if budget.known(fingerprint):
                    self._spread(max(timedelta(), length * SPREAD - passed) * calls / room, now)
                return 0.0
            if _in_flight[fingerprint] or budget.known(fingerprint) is None:
                return SOON
        until = length if is_last_part or self._runs == 1 else length * (1 - LAST_PART)
        return max(SOON, (until - passed).total_seconds())

    def release(self, fingerprint: str, calls: int) -> None:
        """The calls were made, and their answers have been noted; or they were not needed."""
        with _lock:
            _in_flight[fingerprint] -= calls

    def back_off(self, fingerprint: str, retry_after: float = 0.0) -> None:
        """After a 429: no calls before the next minute, nor for so many seconds."""
        budget.use_up(fingerprint)
        self._not_before = timezone.now() + timedelta(seconds=retry_after)

    def _room(self, fingerprint: str, window: datetime, *, is_last_part: bool) -> float:
        """The calls that this run may begin now."""
        known = budget.known(fingerprint)
        if known is None:
            # The first answer says how many there are.
            if time.monotonic() - self._probed_at < PROBE_SECONDS:
                return 0
            self._probed_at = time.monotonic()
            return 2 * CALLS
        room = known.remaining - known.reserve - _in_flight[fingerprint]
        if self._runs == 1:
            return room
        if self._shared_for != (window, self._runs):
            self._shared_for, self._share = (window, self._runs), room / self._runs
        if is_last_part:
            # The others do the same, with calls under way that are not known here.
            return room - settings.RUN_CONCURRENCY * (self._runs - 1)
        return min(room, self._share)

    def _spread(self, pause: timedelta, now: datetime) -> None:
        """Set the time of the next address. After slow calls, at most RUN_CONCURRENCY addresses
        follow without a pause."""
        self._next_at = max(self._next_at, now - pause * settings.RUN_CONCURRENCY) + pause

    def _count(self, fingerprint: str) -> None:
        if time.monotonic() - self._counted_at < COUNT_SECONDS:
            return
        self._counted_at = time.monotonic()
        self._runs = max(1, _running_on(fingerprint).count())


def calls_of(run: Run) -> int:
    """The calls of one address of a run: an attempt, and maybe another one for its host name."""
    return CALLS * (2 if run.restores_reverse_dns else 1)


def calls_left(token: ApiToken | None) -> int | None:
    """The calls left in this minute, as far as this process and the audit entries know."""
    if token is None:
        return None
    entries = _entries(token).filter(created_at__gte=budget.window())
    last = entries.filter(rate_limit_remaining__isnull=False)
    found = [
        budget.remaining(token.fingerprint),
        last.values_list("rate_limit_remaining", flat=True).first(),
    ]
    return min((each for each in found if each is not None), default=None)


def seconds_needed(token: ApiToken | None, calls: int) -> int:
    """About how long a run takes for so many calls, with the other runs on the token."""
    if token is None or not calls:
        return 0
    known, last = budget.known(token.fingerprint), _entries(token)
    limits = last.exclude(rate_limit_permitted=None).values_list("rate_limit_permitted", flat=True)
    limit = (known and known.permitted) or limits.first() or DEFAULT_LIMIT
    reserve = min(settings.KATAPULT_RESERVED_CALLS, limit // 4)
    runs = max(1, _running_on(token.fingerprint).count())
    now = max(0, (calls_left(token) or limit) - reserve) // runs
    timed = last.exclude(duration_us=None).values_list("duration_us", flat=True)[:50]
    durations = [duration or 0 for duration in timed]
    each = sum(durations) / len(durations) / 1e6 if durations else SECONDS_PER_CALL
    each /= settings.RUN_CONCURRENCY
    if calls <= now:
        return ceil(calls * each)
    full, rest = divmod(calls - now, max(1, (limit - reserve) // runs))
    length = budget.window_length().total_seconds()
    until_next = length - (timezone.now() - budget.window()).total_seconds()
    return ceil(max(until_next + full * length + rest * each, calls * each))


def _entries(token: ApiToken) -> QuerySet[AuditEntry]:
    return AuditEntry.objects.filter(token_id=token.pk).order_by("-created_at", "-id")


def _running_on(fingerprint: str) -> QuerySet[Run]:
    """The runs on a token that a worker is carrying out now."""
    going = Run.objects.filter(state=RunState.RUNNING, claimed_until__gt=timezone.now())
    return going.filter(token__fingerprint=fingerprint)
