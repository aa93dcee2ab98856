"""Reserve the last calls of each minute's rate limit for what people confirm one by one.

The rate limit counts the calls of a token per clock minute (RATE_LIMIT_WINDOW, shorter only in
benchmarks); each answer has the number of calls left. [seen] Reads that can wait are refused when
few are left. The number is kept in the memory of the process, because it is asked with each call:
without the calls that are under way, and maybe some calls behind those of other processes.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import NamedTuple

from django.conf import settings
from django.core.cache import caches
from django.utils import timezone

from ipadmin.katapult.types import Exchange

# A cache of the settings.
MEMORY = "memory"
# Calls at once before the first answer of a minute says how many are left.
UNKNOWN_ROOM = 16
# More calls than can be under way. A number of calls left that is higher by more than this is from
# the next minute of Katapult's clock.
MOST_UNDER_WAY = 100

_lock = threading.Lock()


class Known(NamedTuple):
    """The calls left in this minute, those of them that are reserved, and the limit."""

    remaining: int
    reserve: int
    permitted: int | None = None


class ReadsWait(Exception):
    """Too few calls are left in this minute. The read can be repeated at `retry_at`."""

    code = "reads_wait"

    def __init__(self, remaining: int, retry_at: datetime) -> None:
        super().__init__(f"{remaining} calls left")
        self.remaining = remaining
        self.retry_at = retry_at


def note(exchange: Exchange) -> None:
    """Remember the number of calls left. Answers can arrive in any order: the lowest one counts."""
    remaining, permitted = exchange.rate_limit_remaining, exchange.rate_limit_permitted
    if remaining is None or timezone.now() - timedelta(seconds=exchange.duration) < window():
        # Of a call that began before this minute, the number may be that of the last one.
        return
    # At most a quarter, so that a small limit still permits reads.
    reserve = settings.KATAPULT_RESERVED_CALLS
    if permitted is not None:
        reserve = min(reserve, permitted // 4)
    with _lock:
        left = known(exchange.token_fingerprint)
        if left and left.remaining < remaining <= left.remaining + MOST_UNDER_WAY:
            remaining = left.remaining
        _set(exchange.token_fingerprint, Known(remaining, reserve, permitted))


def use_up(token_fingerprint: str) -> None:
    """After a 429, which may come without a number: no calls are left."""
    with _lock:
        left = known(token_fingerprint) or Known(0, 0)
        _set(token_fingerprint, left._replace(remaining=0))


def require_room(token_fingerprint: str) -> None:
    """Take one of the calls left. Raises ReadsWait when they are reserved for attempts."""
    with _lock:
        left = known(token_fingerprint)
        if left and left.remaining <= left.reserve:
            raise ReadsWait(left.remaining, window() + window_length())
        if left:
            _set(token_fingerprint, left._replace(remaining=left.remaining - 1))


def room(token_fingerprint: str) -> int:
    """How many calls that can wait may be sent now, without those that are reserved."""
    left = known(token_fingerprint)
    return max(0, left.remaining - left.reserve) if left else UNKNOWN_ROOM


def remaining(token_fingerprint: str) -> int | None:
    """The calls left in this minute; None where no answer has said so."""
    left = known(token_fingerprint)
    return left.remaining if left else None


def known(token_fingerprint: str) -> Known | None:
    """What the answers of this minute have said; None without any."""
    found: Known | None = caches[MEMORY].get(_key(token_fingerprint))
    return found


def window() -> datetime:
    """The beginning of this minute."""
    seconds = settings.RATE_LIMIT_WINDOW
    return datetime.fromtimestamp(timezone.now().timestamp() // seconds * seconds, UTC)


def window_length() -> timedelta:
    return timedelta(seconds=settings.RATE_LIMIT_WINDOW)


def _set(token_fingerprint: str, left: Known) -> None:
    caches[MEMORY].set(_key(token_fingerprint), left, ceil(settings.RATE_LIMIT_WINDOW))


def _key(token_fingerprint: str) -> str:
    return f"budget:{token_fingerprint}:{window().timestamp()}"
