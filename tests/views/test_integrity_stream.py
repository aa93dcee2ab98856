"""The stream on the page where auditors prove the history."""

from __future__ import annotations

import pytest
from django.conf import LazySettings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ipadmin.audit.integrity import status
from ipadmin.models import AuditStream, LinkKind
from tests import tampering
from tests.views.katapult import HOSTILE
from tests.views.test_integrity import URL, act, audreys, verified

# Used by name only, as fixtures are.
__all__ = ["audreys"]

TARGET = "file:///var/log/audit.jsonl"
pytestmark = pytest.mark.django_db


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
