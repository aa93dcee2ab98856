"""The seal of an entry on its page."""

from __future__ import annotations

import uuid

import pytest
from django.test import Client

from ipadmin import crypto
from ipadmin.audit import entries
from ipadmin.audit.integrity.entry_seal import EntrySeal, Standing
from ipadmin.models import AuditEntry
from tests.services.conftest import Attempt, attempt, confirmed, seen
from tests.services.katapult import ADDRESS
from tests.views.conftest import MakeEntry
from tests.views.katapult import Organizations

__all__ = ["attempt", "confirmed", "seen"]


def test_the_page_of_an_entry_shows_its_seal(
    alices: Client, attempt: Attempt, katapult: Organizations
) -> None:
    text = alices.get(attempt().get_absolute_url()).text
    assert "Sealed as record 2" in text
    assert "Record 1" in text
    assert next(iter(crypto.audit_keys())) in text


def test_the_seal_of_an_open_entry(alices: Client) -> None:
    made = AuditEntry(attempt_id=uuid.uuid4(), user_id=1, token_id=uuid.uuid4(), address=ADDRESS)
    entries.open(made)
    assert "Sealed again when it finishes" in alices.get(made.get_absolute_url()).text


def test_an_entry_without_a_seal_says_so(alices: Client) -> None:
    """As it was kept before there were any."""
    bare = AuditEntry.objects.create(
        attempt_id=uuid.uuid4(), user_id=1, token_id=uuid.uuid4(), outcome="failed"
    )
    assert "Not sealed" in alices.get(bare.get_absolute_url()).text


@pytest.mark.parametrize(
    ("standing", "words"),
    [("broken", "Seal doesn&#x27;t match"), ("unchecked", "Seal can&#x27;t be checked")],
)
def test_a_seal_that_does_not_match_is_explained(
    alices: Client, entry: MakeEntry, monkeypatch: pytest.MonkeyPatch, standing: str, words: str
) -> None:
    seal = EntrySeal(Standing(standing), None, None)
    monkeypatch.setattr("ipadmin.audit.integrity.entry_seal.seal_of", lambda _: seal)
    assert words in alices.get(entry().get_absolute_url()).text
