"""Keep the last calls of a rate-limit window for what an operator has confirmed.

The window is the clock minute, shared by all who use a token; each answer says how many calls are
left in it. [seen] Reads that can wait do so when few are left. What is known is kept in Django's
cache and may be some calls behind what other processes used up.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.core.cache import cache
from django.utils import timezone

from ipadmin.katapult.types import Exchange


class ReadsWait(Exception):
    """Too few calls are left this minute for a read that can wait until `retry_at`."""

    code = "reads_wait"

    def __init__(self, remaining: int, retry_at: datetime) -> None:
        super().__init__(f"{remaining} calls left")
        self.remaining = remaining
        self.retry_at = retry_at


def note(exchange: Exchange) -> None:
    """Remember what an answer said of the calls left in this minute."""
    limit = exchange.rate_limit
    if limit is None or limit.remaining is None:
        return
    # Of a small limit a quarter, so that reads are not shut out altogether.
    reserve = settings.KATAPULT_RESERVED_CALLS
    if limit.permitted is not None:
        reserve = min(reserve, limit.permitted // 4)
    known = (_minute(timezone.now()), limit.remaining, reserve)
    cache.set(_key(exchange.token_fingerprint), known, 60)


def require_room(token_fingerprint: str) -> None:
    """Raise ReadsWait when the calls left are kept for confirmed attempts."""
    known = cache.get(_key(token_fingerprint))
    minute = _minute(timezone.now())
    if known is None or known[0] != minute:
        return
    _, remaining, reserve = known
    if remaining <= reserve:
        raise ReadsWait(remaining, minute + timedelta(minutes=1))


def _minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def _key(token_fingerprint: str) -> str:
    return f"budget:{token_fingerprint}"
