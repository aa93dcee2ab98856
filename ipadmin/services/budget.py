"""Reserve the last calls of each minute's rate limit for confirmed attempts.

The rate limit counts the calls of a token per clock minute; each answer has the number of calls
left. [seen] Reads that can wait are refused when few are left. The number is stored in Django's
cache, and may be some calls behind those of other processes.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.core.cache import cache
from django.utils import timezone

from ipadmin.katapult.types import Exchange


class ReadsWait(Exception):
    """Too few calls are left in this minute. The read can be repeated at `retry_at`."""

    code = "reads_wait"

    def __init__(self, remaining: int, retry_at: datetime) -> None:
        super().__init__(f"{remaining} calls left")
        self.remaining = remaining
        self.retry_at = retry_at


def note(exchange: Exchange) -> None:
    """Remember the number of calls left."""
    remaining, permitted = exchange.rate_limit_remaining, exchange.rate_limit_permitted
    if remaining is None:
        return
    # At most a quarter, so that a small limit still permits reads.
    reserve = settings.KATAPULT_RESERVED_CALLS
    if permitted is not None:
        reserve = min(reserve, permitted // 4)
    cache.set(_key(exchange.token_fingerprint, _minute()), (remaining, reserve), 60)


def require_room(token_fingerprint: str) -> None:
    """Raise ReadsWait when the calls left are reserved for confirmed attempts."""
    minute = _minute()
    known = cache.get(_key(token_fingerprint, minute))
    if known and known[0] <= known[1]:
        raise ReadsWait(known[0], minute + timedelta(minutes=1))


def _minute() -> datetime:
    return timezone.now().replace(second=0, microsecond=0)


def _key(token_fingerprint: str, minute: datetime) -> str:
    return f"budget:{token_fingerprint}:{minute:%H:%M}"
