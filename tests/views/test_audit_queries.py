"""However long the history is, a page of it asks the database the same number of times."""

from __future__ import annotations

from datetime import timedelta
from itertools import cycle

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from ipadmin.audit import entries
from ipadmin.audit.search import pages
from ipadmin.audit.search.plan import fetch_plan
from ipadmin.audit.search.query import Search
from ipadmin.katapult.types import Organization
from ipadmin.models import AuditEntry, User
from tests.audit.search.made_up import TOKENS
from tests.history import attempt, id_of
from tests.services.conftest import keep_token
from tests.views.audit_page import shown
from tests.views.conftest import HTMX

TOKEN = str(TOKENS[0])
# Kinds of questions.
ASKED = {
    "30 days": "",
    "all time": "when=all",
    "today": "when=today",
    "week": "since={day}&until={day}",
    "moment": "at={moment}",
    "person": "when=all&person=alice",
    "people": "when=all&person=alice&person=bob",
    "nobody": "when=all&person=zoe",
    "token": f"when=all&token={TOKEN}",
    "organization": "when=all&organization=org_1",
    "environment": "when=all&environment=live",
    "outcome": "when=all&outcome=failed",
    "outcomes": "when=all&outcome=failed&outcome=pending",
    "error": "when=all&error=no_allocation",
    "person and organization": "person=alice&organization=org_1",
    "several": "person=alice&outcome=failed&environment=live&when=90d",
    "address": "q=192.0.2.1",
    "address and person": "q=192.0.2.1&person=alice",
    "prefix": "q=192.0.",
    "network": "q=192.0.2.0/30",
    "ipv6": "q=2001:db8::/32",
    "name": "q=web",
    "typed person": "q=alice",
    "typed error": "q=no_allocation",
    "machine": "q=vm_0001",
    "address id": "q=ip_0001",
    "request": "q=5bb8b37066680e3a355962e6d5bd0c5f",
    "nothing": "q=nothing of the kind",
}
NOON = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(hours=12)


def fill(count: int) -> None:
    """So many attempts, of a few people on a few addresses, all of yesterday."""
    people, outcomes = cycle(["alice", "bob", "alice"]), cycle(["succeeded", "failed"])
    numbers, tokens = cycle(range(3)), cycle(TOKENS)
    made: list[AuditEntry] = []
    for number in range(count):
        outcome, host = next(outcomes), next(numbers)
        made.append(
            attempt(
                created_at=NOON + timedelta(microseconds=number),
                user_name=next(people),
                token_id=next(tokens),
                outcome=outcome,
                error_code="no_allocation" if outcome == "failed" else "",
                environment="live",
                address=f"192.0.2.{host}",
                address_id="ip_0001",
                allocation_id="vm_0001",
                allocation_name=f"web-{host}",
            )
        )
    entries.add_finished(made)


def queries(browser: Client, query: str, headers: dict[str, str]) -> tuple[int, int]:
    """How many there were, and rows shown."""
    query = query.format(day=f"{NOON:%Y-%m-%d}", moment=f"{NOON:%Y-%m-%dT%H:%M:%SZ}")
    with CaptureQueriesContext(
        connection,
    ) as asked:
        answer = browser.get(f"/audit/?{query}", headers=headers)
    assert answer.status_code == 200
    return len(asked), len(shown(answer))


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["whole", "part"])
def test_the_history_makes_no_more_queries_for_300_entries_than_for_10(
    alices: Client, headers: dict[str, str]
) -> None:
    alices.get("/audit/")
    fill(10)
    few = {name: queries(alices, query, headers) for name, query in ASKED.items()}
    fill(300)
    many = {name: queries(alices, query, headers) for name, query in ASKED.items()}
    # Only the oldest page asks which entries were removed.
    assert all(few[name][0] - 1 <= n <= few[name][0] for name, (n, _) in many.items())
    assert sum(rows > few[name][1] for name, (_, rows) in many.items()) >= 15


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["whole", "part"])
def test_an_empty_history_makes_no_more_queries(alices: Client, headers: dict[str, str]) -> None:
    alices.get("/audit/")
    none = {name: queries(alices, query, headers)[0] for name, query in ASKED.items()}
    fill(10)
    # Whether there is anything at all, and what an unknown code may be, takes some more.
    for name, query in ASKED.items():
        assert none[name] <= queries(alices, query, headers)[0] + 3, name


def test_every_page_of_the_history_makes_as_many_queries(
    alices: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "PER_PAGE", 10)
    fill(35)
    search = Search(people=[id_of("alice")])
    page = pages.page(fetch_plan(search))
    counts = set()
    while page.older_than:
        with CaptureQueriesContext(connection) as asked:
            # Each page is a request, and a search, of its own.
            page = pages.page(fetch_plan(search), before=page.older_than)
        counts.add(len(asked))
    assert counts == {4}


def test_restricting_to_own_organizations_adds_few_queries(
    alice: User, alices: Client, settings: Settings
) -> None:
    keep_token(alice, "planted0token0planted0", Organization("org_1", "Acme", "acme"))
    fill(60)
    alices.get("/audit/")
    everybodys, _ = queries(alices, "", {})
    settings.HISTORY_OF_OWN_ORGANIZATIONS = True
    own, rows = queries(alices, "", {})
    assert rows == pages.PER_PAGE
    assert own <= everybodys + 3
