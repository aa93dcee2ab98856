"""Reserve the last calls of each minute's rate limit for confirmed attempts.

The rate limit counts the calls of a token per clock minute; each answer has the number of calls
left. [seen] Reads that can wait are refused when few are left. The number is kept in the memory of
the process, because it is asked with each call: without the calls that are under way, and maybe
some calls behind those of other processes.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

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
    if remaining is None:
        return
    # At most a quarter, so that a small limit still permits reads.
    reserve = settings.KATAPULT_RESERVED_CALLS
    if permitted is not None:
        reserve = min(reserve, permitted // 4)
    with _lock:
        known = _known(exchange.token_fingerprint)
        if known and known[0] < remaining <= known[0] + MOST_UNDER_WAY:
            remaining = known[0]
        _set(exchange.token_fingerprint, remaining, reserve)


def require_room(token_fingerprint: str) -> None:
    """Take one of the calls left. Raises ReadsWait when they are reserved for attempts."""
    with _lock:
        known = _known(token_fingerprint)
        if known and known[0] <= known[1]:
            raise ReadsWait(known[0], _minute() + timedelta(minutes=1))
        if known:
            _set(token_fingerprint, known[0] - 1, known[1])


def room(token_fingerprint: str) -> int:
    """How many calls that can wait may be sent now, without those that are reserved."""
    known = _known(token_fingerprint)
    return max(0, known[0] - known[1]) if known else UNKNOWN_ROOM


def remaining(token_fingerprint: str) -> int | None:
    """The calls left in this minute; None where no answer has said so."""
    known = _known(token_fingerprint)
    return known[0] if known else None


def _known(token_fingerprint: str) -> tuple[int, int] | None:
    """The calls left in this minute, and those of them that are reserved."""
    known: tuple[int, int] | None = caches[MEMORY].get(_key(token_fingerprint, _minute()))
    return known


def _set(token_fingerprint: str, remaining: int, reserve: int) -> None:
    caches[MEMORY].set(_key(token_fingerprint, _minute()), (remaining, reserve), 60)


def _minute() -> datetime:
    return timezone.now().replace(second=0, microsecond=0)


def _key(token_fingerprint: str, minute: datetime) -> str:
    return f"budget:{token_fingerprint}:{minute:%H:%M}"
