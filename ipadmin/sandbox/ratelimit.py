"""The rate limit: a fixed window on the clock minute, one for each token [seen]."""

from __future__ import annotations


class RateLimit:
    """Counts calls by key. `Remaining` falls by one a call and resets at second :00."""

    def __init__(self) -> None:
        self._minute = 0
        self._used: dict[str, int] = {}

    def take(self, key: str, permitted: int, now: float) -> int | None:
        """Count one call at `now` (seconds since 1970); what remains after it, or None if over."""
        minute = int(now // 60)
        if minute != self._minute:
            self._minute = minute
            self._used.clear()
        used = self._used.get(key, 0)
        if used >= permitted:
            return None
        self._used[key] = used + 1
        return permitted - used - 1
