"""What was done to the history, and its stream, on the page where auditors prove it."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ipadmin.audit.integrity import status
from ipadmin.models import AuditStream, LinkKind
from tests import tampering
from tests.page import Page
from tests.views.conftest import HTMX
from tests.views.katapult import HOSTILE
from tests.views.test_integrity import URL, act, audreys, links, verified

# Used by name only, as fixtures are.
__all__ = ["audreys"]

TARGET = "file:///var/log/audit.jsonl"
pytestmark = pytest.mark.django_db


def page_link(answer: Any, rel: str) -> str:
    return Page(answer).link(rel).removesuffix("#log")


# The log


def test_the_log_leaves_out_what_seals_entries(audreys: Client) -> None:
    tampering.finished()
    act(LinkKind.PRUNED, entries=12, by={"command_line": "root"})
    tampering.finished()
    answer = audreys.get(URL)
    assert links(answer) == [3]
    assert "12 attempts removed" in answer.text
    assert "root (command line)" in answer.text


def test_the_log_by_pages(audreys: Client) -> None:
    for _ in range(2 * status.ACTIVITIES_PER_PAGE + 3):
        act()
    pages = [audreys.get(URL)]
    while older := page_link(pages[-1], "next"):
        pages.append(audreys.get(URL + older))
    assert [number for page in pages for number in links(page)] == [*range(53, 0, -1)]
    back = audreys.get(URL + page_link(pages[-1], "prev"))
    assert links(back) == links(pages[-2])
    first = audreys.get(URL + page_link(back, "prev"))
    assert links(first) == links(pages[0])
    assert page_link(first, "prev") == ""


def test_behind_the_newest_is_the_newest_again(audreys: Client) -> None:
    act()
    assert links(audreys.get(f"{URL}?after=1")) == [1]


def test_behind_the_oldest_is_nothing(audreys: Client) -> None:
    act()
    answer = audreys.get(f"{URL}?before=1")
    assert links(answer) == []
    assert "No older activity" in answer.text


@pytest.mark.parametrize("number", ["", "x", "-1", "1.5", "9" * 30, "²", "1\x00"])
def test_a_page_that_is_none(audreys: Client, number: str) -> None:
    act()
    assert links(audreys.get(URL, {"before": number})) == [1]
    assert links(audreys.get(URL, {"after": number})) == [1]


def test_htmx_gets_the_log_alone(audreys: Client) -> None:
    act()
    answer = audreys.get(f"{URL}?before=9", headers=HTMX)
    assert "<html" not in answer.text
    assert "Verify now" not in answer.text
    assert links(answer) == [1]


def test_what_somebody_wrote_into_an_act_is_text(audreys: Client) -> None:
    criteria = {HOSTILE: [HOSTILE]}
    act(
        LinkKind.EXPORT_FINISHED,
        by={"user_name": HOSTILE},
        criteria=criteria,
        sha256=HOSTILE,
        format=HOSTILE,
    )
    text = audreys.get(URL).text
    assert HOSTILE not in text
    assert text.count("&lt;script&gt;") >= 4


# The stream


def test_no_stream_no_section(audreys: Client) -> None:
    assert "stream-title" not in audreys.get(URL).text


def test_a_stream_that_has_taken_all(audreys: Client, settings: LazySettings) -> None:
    settings.AUDIT_STREAM = TARGET
    tampering.finished()
    AuditStream.objects.create(target=TARGET, sequence=2, taken_at=timezone.now())
    text = audreys.get(URL).text
    assert TARGET in text
    assert "Up to date" in text


def test_a_stream_that_has_not_begun(audreys: Client, settings: LazySettings) -> None:
    settings.AUDIT_STREAM = TARGET
    tampering.finished()
    tampering.opened()
    text = audreys.get(URL).text
    assert "None yet" in text
    assert "1 record" in text


def test_a_stream_that_fails(audreys: Client, settings: LazySettings) -> None:
    settings.AUDIT_STREAM = TARGET
    failing = {"failing_since": timezone.now(), "error": f"No space left {HOSTILE}"}
    AuditStream.objects.create(target=TARGET, **failing)
    text = audreys.get(URL).text
    assert "Failing" in text
    assert "No space left &lt;script&gt;" in text


def test_how_far_behind_is_counted_to_a_limit(
    audreys: Client, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.AUDIT_STREAM = TARGET
    monkeypatch.setattr(status, "MOST_BEHIND", 2)
    for _ in range(5):
        tampering.finished()
    found = status.stream()
    assert found is not None
    assert (found.behind, found.is_far_behind) == (3, True)
    assert "More than 1,000 records" in audreys.get(URL).text


# Cost


def test_as_many_queries_for_many_as_for_none(audreys: Client, settings: LazySettings) -> None:
    settings.AUDIT_STREAM = TARGET
    counts = []
    for made in (1, 30):
        for _ in range(made):
            act(LinkKind.VERIFIED, by={"user_name": "audrey"}, result="holds")
            tampering.finished()
            verified()
        with CaptureQueriesContext(connection) as found:
            assert audreys.get(URL).status_code == 200
        counts.append(len(found))
    assert len(set(counts)) == 1
    assert counts[0] <= 15
