"""Read all pages of a list of Katapult's, several at once."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Generic, TypeVar

from ipadmin.katapult.errors import KatapultError
from ipadmin.katapult.types import Page
from ipadmin.services.budget import ReadsWait

T = TypeVar("T")

CALLS_AT_ONCE = 16
# A million items; no organization has as many.
MAX_PAGES = 5000


class PageReader(Generic[T]):
    """Iterating over it yields each page as soon as it was read, in any order.

    `fetch` reads the page of a number, `key` is the identity of an item, and `room` returns how
    many calls may be under way now. `expected_pages` are requested without waiting for the first
    page. Closing the iterator cancels what was not sent. Raises the KatapultError of a page that
    failed twice, and the ReadsWait of the first page.

    Afterwards `items` has each item once, `total` is Katapult's count, and `is_complete` says
    whether both agree: a list that changes while it is read can miss items. `waits` is set when
    too few calls were left for the rest.
    """

    def __init__(
        self,
        fetch: Callable[[int], Page[T]],
        key: Callable[[T], str],
        room: Callable[[], int],
        *,
        expected_pages: int = 1,
    ) -> None:
        self._fetch, self._key, self._room = fetch, key, room
        self._next, self._last = 1, min(max(1, expected_pages), MAX_PAGES)
        self._running: dict[Future[Page[T]], int] = {}
        self._ended: SimpleQueue[Future[Page[T]]] = SimpleQueue()
        self.waits: ReadsWait | None = None
        self.items: dict[str, T] = {}
        self.total: int | None = None
        self.is_complete = False

    @property
    def under_way(self) -> int:
        """The number of calls that were started and have not ended."""
        return len(self._running)

    @property
    def is_requested(self) -> bool:
        """Whether all pages were requested, as far as is known after the first one."""
        return bool(self.items) and self._next > self._last

    def __iter__(self) -> Iterator[Page[T]]:
        pool = ThreadPoolExecutor(max_workers=CALLS_AT_ONCE)
        try:
            self._submit(pool)
            while self._running:
                future = self._ended.get()
                number = self._running.pop(future)
                if (page := self._result(future)) is not None:
                    self._add(number, page)
                # First, so that calls are under way while the page is used.
                self._submit(pool)
                if page is not None:
                    yield page
            self.is_complete = not self.waits and self.total in {None, len(self.items)}
        finally:
            pool.shutdown(cancel_futures=True)

    def _submit(self, pool: ThreadPoolExecutor) -> None:
        """Start as many calls as there is room for."""
        while self._next <= self._last and not self.waits:
            if len(self._running) >= min(CALLS_AT_ONCE, max(1, self._room())):
                return
            # A copy of the context, so that log lines have the id of the request.
            call = contextvars.copy_context().run
            future = pool.submit(call, self._fetch_twice, self._next)
            self._running[future] = self._next
            self._next += 1
            future.add_done_callback(self._ended.put)

    def _fetch_twice(self, number: int) -> Page[T]:
        """The page, requested once more where the first call got no proper answer."""
        try:
            return self._fetch(number)
        except KatapultError as error:
            if error.is_definite:
                raise
            return self._fetch(number)

    def _result(self, future: Future[Page[T]]) -> Page[T] | None:
        try:
            return future.result()
        except ReadsWait as error:
            # What was read so far is worth showing.
            if not self.items:
                raise
            self.waits = error
            return None

    def _add(self, number: int, page: Page[T]) -> None:
        known = len(self.items)
        self.items.update({self._key(item): item for item in page.items})
        self.total = page.total if page.total is not None else self.total
        if page.total_pages is not None:
            self._last = min(page.total_pages, MAX_PAGES)
        elif len(page.items) < max(1, page.per_page) or len(self.items) == known:
            # A large set has no total: a page that is not full is the last one [doc], and so is
            # one that repeats others.
            self._last = min(self._last, number)
        elif number == self._last:
            # Reading ahead doubles, so that at most half of the calls are in vain.
            self._last = min(2 * number, number + CALLS_AT_ONCE, MAX_PAGES)
