"""Hours and days of time zones whose offset changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest

from ipadmin.audit.search.periods import start, starts

FAR = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "zone", ["UTC", "Europe/Berlin", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Kathmandu"]
)
@pytest.mark.parametrize("unit", ["hour", "day", "month", "year"])
def test_each_start_is_that_of_its_own_period(zone: str, unit: str) -> None:
    where = ZoneInfo(zone)
    since = start(datetime(2026, 3, 1, 12, tzinfo=UTC), unit, where)
    found = [*islice(starts(since, FAR, unit, where), 10_000)]
    assert all(one < other for one, other in pairwise(found))
    assert all(start(each, unit, where) == each for each in found)
    just_before = timedelta(microseconds=1)
    for one, other in pairwise(found):
        assert start(other - just_before, unit, where) == one
