"""A limit on concurrent downloads: each occupies a thread for as long as its reader takes."""

from __future__ import annotations

from collections.abc import Callable, Generator
from threading import Lock
from typing import ClassVar
from weakref import WeakSet

# In this process. Far fewer than gunicorn has threads.
MAX_DOWNLOADS = 4


class TooManyDownloads(Exception):
    """The limit is reached, or, with `is_own`, the same user has a download running."""

    def __init__(self, *, is_own: bool) -> None:
        super().__init__()
        self.is_own = is_own


class Download:
    """The file that one user downloads. It counts until it is closed, even before its first piece
    was read, or until it is garbage collected: a response may be lost without being closed."""

    running: ClassVar[WeakSet[Download]] = WeakSet()
    lock: ClassVar[Lock] = Lock()

    def __init__(self, user_id: int, begin: Callable[[], Generator[bytes]]) -> None:
        """Raises TooManyDownloads, before `begin` is called."""
        self.user_id = user_id
        with self.lock:
            is_own = any(each.user_id == user_id for each in self.running)
            if is_own or len(self.running) >= MAX_DOWNLOADS:
                raise TooManyDownloads(is_own=is_own)
            self.running.add(self)
        try:
            self.pieces = begin()
        except BaseException:
            self.running.discard(self)
            raise

    def __iter__(self) -> Generator[bytes]:
        return self.pieces

    def close(self) -> None:
        try:
            self.pieces.close()
        finally:
            self.running.discard(self)
