"""The paths of this product's history for the searches in `questions.py`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from ipadmin.audit.search import pages
from ipadmin.models import AuditEntry

if TYPE_CHECKING:
    from tests.bench.questions import Sample


def paths(sample: Sample) -> dict[str, str]:
    """Name of the search to path: whole pages, with chart and totals, over all time."""
    common = {"person": sample.common[0]}
    week = {
        "since": _moment(sample.since),
        # The end includes its last second.
        "until": _moment(sample.until - timedelta(seconds=1)),
    }
    queries = {
        "first page": {},
        sample.deep_name: {"before": _before_page(sample.deep, sample.per_page)},
        "common person": common,
        "rare person": {"person": sample.rare[0]},
        "one week": week,
        "address": {"q": sample.address},
        "address and person": {"q": sample.address, **common},
    }
    return {
        name: f"/audit/?{urlencode(query if query is week else {'when': 'all', **query})}"
        for name, query in queries.items()
    }


def _before_page(number: int, per_page: int) -> str:
    """The cursor of this page, counted from the newest entry."""
    last_seen = AuditEntry.objects.all()[(number - 1) * per_page - 1]
    return pages.cursor(pages.place_of(last_seen))


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
