"""A failed verification is visible until an auditor acknowledges it."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DatabaseError
from django.test import Client
from django.urls import reverse

from ipadmin.audit.integrity import status
from ipadmin.models import AuditLink, AuditVerification, User
from tests.audit.integrity.test_nightly import failed
from tests.conftest import ClientOf
from tests.page import Page
from tests.views.conftest import MakeEntry
from tests.views.katapult import HOSTILE

WARNING = "A verification of this history failed"
MARK = "Verification failed"
pytestmark = pytest.mark.django_db


@pytest.fixture
def audreys(audrey: User, client_of: ClientOf) -> Client:
    return client_of(audrey)


@pytest.fixture
def bad() -> AuditVerification:
    return failed(f"Changed: link 3 {HOSTILE}")


def url(found: AuditVerification) -> str:
    return reverse("verification", args=[found.pk])


@pytest.mark.parametrize("name", ["audit", "audit_entry", "audit_export"])
def test_auditors_see_it_on_the_pages_of_the_history(
    audreys: Client, entry: MakeEntry, bad: AuditVerification, name: str
) -> None:
    args = [entry().attempt_id] if name == "audit_entry" else []
    page = Page(audreys.get(reverse(name, args=args)))
    assert WARNING in page.text
    assert "Changed: link 3" in page.text
    assert page.one(".nav .badge").text().strip() == MARK
    assert HOSTILE not in page.html


def test_operators_see_it_without_what_was_found(alices: Client, bad: AuditVerification) -> None:
    text = alices.get(reverse("audit")).text
    assert WARNING in text
    assert "Changed: link 3" not in text
    assert MARK not in text
    assert WARNING not in alices.get(reverse("tokens")).text


def test_only_the_mark_is_on_other_pages(audreys: Client, bad: AuditVerification) -> None:
    text = audreys.get(reverse("account_change_password")).text
    assert (WARNING in text, MARK in text) == (False, True)


def test_an_auditor_acknowledges_it(audreys: Client, bad: AuditVerification) -> None:
    assert 'name="note"' in audreys.get(url(bad)).text
    answer = audreys.post(url(bad), {"note": "A restored backup"}, follow=True)
    assert "A restored backup" in answer.text
    assert 'name="note"' not in answer.text
    assert MARK not in answer.text
    log = audreys.get(reverse("activity")).text
    assert WARNING not in log + audreys.get(reverse("integrity")).text
    assert "Failed verification acknowledged" in log
    details: Any = AuditLink.objects.get().details
    assert details["by"]["user_name"] == "audrey"
    assert details["verification"] == bad.pk


def test_a_note_is_required(audreys: Client, bad: AuditVerification) -> None:
    answer = audreys.post(url(bad), {"note": " "})
    assert answer.status_code == 422
    assert "errorlist" in answer.text
    assert status.unacknowledged() == bad


def test_a_second_acknowledgement_changes_nothing(audreys: Client, bad: AuditVerification) -> None:
    for _ in range(2):
        audreys.post(url(bad), {"note": "seen"})
    assert AuditLink.objects.count() == 1


def test_the_warning_stays_when_it_cannot_be_recorded(
    audreys: Client, bad: AuditVerification, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: Any, **_details: Any) -> None:
        raise DatabaseError("The disk is full.")

    monkeypatch.setattr(status, "record", broken)
    answer = audreys.post(url(bad), {"note": "seen"})
    assert "could not be recorded" in answer.text
    assert MARK in answer.text


def test_only_auditors_acknowledge(alices: Client, bad: AuditVerification) -> None:
    assert alices.post(url(bad), {"note": "seen"}).status_code == 403
    assert status.unacknowledged() == bad
