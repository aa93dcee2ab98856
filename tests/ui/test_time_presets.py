"""Periods with a name, in the reader's zone."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from ipadmin.ui.time_presets import period

# 1 November, half past midnight in Berlin. Summer time ended on 25 October.
NOW = datetime(2026, 10, 31, 23, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("key", "since", "until"),
    [
        ("today", "2026-11-01", None),
        ("yesterday", "2026-10-31", "2026-11-01"),
        ("7d", "2026-10-26", None),
        ("30d", "2026-10-03", None),
        ("90d", "2026-08-04", None),
        ("this_month", "2026-11-01", None),
        ("last_month", "2026-10-01", "2026-11-01"),
        ("all", None, None),
    ],
)
def test_a_period_begins_and_ends_at_midnight(
    key: str, since: str | None, until: str | None
) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    expected = [
        each and datetime.fromisoformat(each).replace(tzinfo=berlin) for each in (since, until)
    ]
    assert [*period(key, NOW, berlin)] == expected
