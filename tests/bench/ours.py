"""Where our own history answers the questions that `questions.py` puts to the others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from ipadmin.audit.search import pages
from ipadmin.models import AuditEntry

if TYPE_CHECKING:
    from tests.bench.questions import Sample


def paths(sample: Sample) -> dict[str, str]:
    """By the name of the question. The whole page, with its chart and totals, over all time."""
    common = {"person": sample.common[0]}
    week = {
        "since": _moment(sample.since),
        # The last second counts.
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
    """The cursor a reader would have come to by turning pages, from the newest entry on."""
    last_seen = AuditEntry.objects.all()[(number - 1) * per_page - 1]
    return pages.cursor_text(pages.cursor_of(last_seen))


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
