"""A limit on concurrent downloads: each occupies a thread for as long as its reader takes."""

from __future__ import annotations

import weakref
from collections.abc import Generator
from threading import Lock


class TooManyDownloads(Exception):
    """The limit is reached, or, with `is_own`, the same user has a download running."""

    def __init__(self, *, is_own: bool) -> None:
        super().__init__()
        self.is_own = is_own


class DownloadLimit:
    """At most `at_once` downloads in this process, and one for each user."""

    def __init__(self, at_once: int) -> None:
        self.at_once = at_once
        self._lock = Lock()
        self._user_ids: set[int] = set()

    def acquire(self, user_id: int) -> DownloadSlot:
        """Raises TooManyDownloads."""
        with self._lock:
            is_own = user_id in self._user_ids
            if is_own or len(self._user_ids) >= self.at_once:
                raise TooManyDownloads(is_own=is_own)
            self._user_ids.add(user_id)
        return DownloadSlot(self, user_id)

    def release(self, user_id: int) -> None:
        # Without the lock: the garbage collector may call this in a thread that holds it.
        self._user_ids.discard(user_id)


class DownloadSlot:
    """Released once: by `release()`, or when it is garbage collected."""

    def __init__(self, limit: DownloadLimit, user_id: int) -> None:
        self.release = weakref.finalize(self, limit.release, user_id)


class Download:
    """Pieces of a file that release their slot when closed, even before the first piece was read:
    the `finally` of a generator that never started does not run."""

    def __init__(self, pieces: Generator[bytes], slot: DownloadSlot) -> None:
        self._pieces, self._slot = pieces, slot

    def __iter__(self) -> Download:
        return self

    def __next__(self) -> bytes:
        return next(self._pieces)

    def close(self) -> None:
        try:
            self._pieces.close()
        finally:
            self._slot.release()
