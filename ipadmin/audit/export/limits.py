"""Places for downloads: each keeps a thread for as long as somebody takes to read it."""

from __future__ import annotations

import weakref
from collections.abc import Generator
from threading import Lock


class NoPlace(Exception):
    """All are taken, or one by the same person: `is_own`."""

    def __init__(self, *, is_own: bool) -> None:
        super().__init__()
        self.is_own = is_own


class Places:
    """So many in this process, and one a person."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._lock = Lock()
        self._people: set[int] = set()

    def take(self, person: int) -> Place:
        """Raises NoPlace."""
        with self._lock:
            is_own = person in self._people
            if is_own or len(self._people) >= self.most:
                raise NoPlace(is_own=is_own)
            self._people.add(person)
        return Place(self, person)

    def leave(self, person: int) -> None:
        # Without the lock, which a collection of garbage might find held by its own thread.
        self._people.discard(person)


class Place:
    """Is left once: when told, or when nobody knows of it any more."""

    def __init__(self, places: Places, person: int) -> None:
        self.leave = weakref.finalize(self, places.leave, person)


class Held:
    """Pieces of a download whose place is left when they are closed, though none was ever read: a
    generator that never began does not come by its `finally`."""

    def __init__(self, pieces: Generator[bytes], place: Place) -> None:
        self._pieces, self._place = pieces, place

    def __iter__(self) -> Held:
        return self

    def __next__(self) -> bytes:
        return next(self._pieces)

    def close(self) -> None:
        try:
            self._pieces.close()
        finally:
            self._place.leave()
