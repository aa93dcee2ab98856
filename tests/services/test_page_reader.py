"""Pages of a list, read several at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from ipadmin.katapult.errors import ErrorAnswer, KatapultError, UnreadableAnswer
from ipadmin.katapult.types import Exchange, Page
from ipadmin.services.budget import ReadsWait
from ipadmin.services.page_reader import CALLS_AT_ONCE, PageReader

PER_PAGE = 10
EXCHANGE = Exchange("GET", "/x", 0.1, 502)
AT = datetime(2026, 11, 24, tzinfo=UTC)


class List:
    """A list of numbers. `problems` are raised by the next reads of a page."""

    def __init__(self, total: int, *, with_totals: bool = True) -> None:
        self.total, self.with_totals = total, with_totals
        self.asked: list[int] = []
        self.problems: dict[int, list[Exception]] = {}
        self.under_way = self.most_under_way = 0
        self.lock = threading.Lock()

    def fetch(self, number: int) -> Page[str]:
        with self.lock:
            self.asked.append(number)
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
        time.sleep(0.005)
        with self.lock:
            self.under_way -= 1
        if problems := self.problems.get(number):
            raise problems.pop(0)
        items = [str(each) for each in range(self.total)][(number - 1) * PER_PAGE :][:PER_PAGE]
        pages = -(-self.total // PER_PAGE)
        totals = (pages, self.total) if self.with_totals else (None, None)
        return Page(tuple(items), PER_PAGE, *totals)


def read(source: List, room: Callable[[], int] = lambda: 16, expected: int = 1) -> PageReader[str]:
    reader = PageReader(source.fetch, key=str, room=room, expected_pages=expected)
    for _page in reader:
        pass
    return reader


@pytest.mark.parametrize("total", [0, 1, 10, 11, 1000])
@pytest.mark.parametrize("with_totals", [True, False])
@pytest.mark.parametrize("expected", [1, 3, 200])
def test_every_item_is_read_once(total: int, with_totals: bool, expected: int) -> None:
    reader = read(List(total, with_totals=with_totals), expected=expected)
    assert sorted(reader.items, key=int) == [str(each) for each in range(total)]
    assert reader.is_complete


def test_pages_are_read_at_the_same_time_up_to_a_limit() -> None:
    source = List(1000)
    read(source)
    assert 4 < source.most_under_way <= CALLS_AT_ONCE


def test_no_more_calls_at_once_than_there_is_room_for() -> None:
    source = List(300)
    assert read(source, room=lambda: 3).is_complete
    assert source.most_under_way == 3


def test_a_page_that_fails_once_is_read_again() -> None:
    source = List(100)
    source.problems[4] = [UnreadableAnswer("html", EXCHANGE)]
    assert read(source).is_complete
    assert source.asked.count(4) == 2


def test_a_page_that_fails_twice_ends_the_reading() -> None:
    source = List(100)
    source.problems[4] = [UnreadableAnswer("html", EXCHANGE), UnreadableAnswer("html", EXCHANGE)]
    with pytest.raises(KatapultError):
        read(source)
    assert source.asked.count(4) == 2


def test_a_definite_refusal_is_not_repeated() -> None:
    source = List(100)
    refused = Exchange("GET", "/x", 0.1, 429)
    source.problems[1] = [ErrorAnswer("rate_limit_reached", "", {}, refused)]
    with pytest.raises(ErrorAnswer):
        read(source)
    assert source.asked == [1]


def test_a_list_that_misses_an_item_is_not_complete() -> None:
    source = List(100)
    fetch = source.fetch

    def shifted(number: int) -> Page[str]:
        page = fetch(number)
        items = page.items[1:] if number == 5 else page.items
        return Page(items, page.per_page, page.total_pages, page.total)

    source.fetch = shifted  # type: ignore[method-assign]
    reader = read(source)
    assert (len(reader.items), reader.total, reader.is_complete) == (99, 100, False)


def test_too_few_calls_stop_the_reading_and_keep_what_was_read() -> None:
    source = List(100)
    source.problems[3] = [ReadsWait(20, AT)]
    reader = read(source, room=lambda: 1)
    assert (len(reader.items), reader.is_complete) == (20, False)
    assert reader.waits
    assert max(source.asked) == 3


def test_too_few_calls_for_the_first_page_are_raised() -> None:
    source = List(100)
    source.problems[1] = [ReadsWait(20, AT)]
    with pytest.raises(ReadsWait):
        read(source)


def test_closing_it_sends_no_further_calls() -> None:
    source = List(1000)
    reader = PageReader(source.fetch, key=str, room=lambda: 2)
    pages = iter(reader)
    next(pages)
    pages.close()  # type: ignore[attr-defined]
    time.sleep(0.1)
    assert len(source.asked) <= 3
    assert not reader.is_complete
