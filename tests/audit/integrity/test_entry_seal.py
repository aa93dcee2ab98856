"""The standing of the seals of one entry."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import Settings

from ipadmin.audit import document
from ipadmin.audit.integrity import chain, entry_seal
from ipadmin.audit.integrity.entry_seal import EntrySeal
from ipadmin.models import AuditEntry, AuditLink, LinkKind, triggers
from tests.tampering import finished, opened

pytestmark = pytest.mark.django_db(transaction=True)
OTHER_KEY = "b3RoZXIta2V5LW90aGVyLWtleS1vdGhlci1rZXktMDE="


def seal_of(entry: AuditEntry) -> EntrySeal:
    return entry_seal.seal_of(document.values_of(entry))


@pytest.fixture
def made() -> AuditEntry:
    """A finished entry, after another one in the chain."""
    opened()
    return finished()


@contextmanager
def without_triggers() -> Iterator[None]:
    """As the owner of the database can do."""
    with connection.schema_editor() as editor:
        triggers.unprotect(None, editor)
    yield
    with connection.schema_editor() as editor:
        triggers.protect(None, editor)


def test_an_intact_entry_holds(made: AuditEntry) -> None:
    seal = seal_of(made)
    assert seal.standing == "holds"
    assert seal.first is not None
    assert seal.last is not None
    assert (seal.first.sequence, seal.last.sequence) == (2, 3)


def test_an_open_entry_is_open() -> None:
    assert seal_of(opened()).standing == "open"


def test_an_entry_without_links_is_missing_its_seal(made: AuditEntry) -> None:
    bare = AuditEntry.objects.create(
        attempt_id=uuid.uuid4(), user_id=1, token_id=uuid.uuid4(), finished_at=timezone.now()
    )
    assert seal_of(bare) == EntrySeal(entry_seal.Standing.MISSING, None, None)


@pytest.mark.parametrize("change", [{"reason": "another"}, {"http_status": 500}, {"duration": 9}])
def test_a_changed_entry_is_broken(made: AuditEntry, change: dict[str, object]) -> None:
    with without_triggers():
        AuditEntry.objects.filter(pk=made.pk).update(**change)
    assert seal_of(made).standing == "broken"


@pytest.mark.parametrize("change", [{"digest": b"x" * 32}, {"seal": b"x" * 32}])
@pytest.mark.parametrize("sequence", [2, 3])
def test_a_changed_link_is_broken(
    made: AuditEntry, sequence: int, change: dict[str, bytes]
) -> None:
    with without_triggers():
        AuditLink.objects.filter(sequence=sequence).update(**change)
    assert seal_of(made).standing == "broken"


def test_a_changed_link_before_it_breaks_it(made: AuditEntry) -> None:
    with without_triggers():
        AuditLink.objects.filter(sequence=1).update(seal=b"x" * 32)
        assert seal_of(made).standing == "broken"
        AuditLink.objects.filter(sequence=1).delete()
    assert seal_of(made).standing == "broken"


def test_a_finished_entry_without_its_last_link_is_missing_its_seal(made: AuditEntry) -> None:
    with without_triggers():
        AuditLink.objects.filter(sequence=3).delete()
    assert seal_of(made).standing == "missing"


def test_an_entry_that_was_opened_again_is_broken(made: AuditEntry) -> None:
    with without_triggers():
        AuditEntry.objects.filter(pk=made.pk).update(finished_at=None)
    assert seal_of(made).standing == "broken"


def test_an_entry_that_was_finished_twice_is_broken(made: AuditEntry) -> None:
    with transaction.atomic():
        chain.seal_finished(document.values_of(made))
    assert seal_of(made).standing == "broken"


def test_an_entry_without_an_opening_link_is_broken() -> None:
    bare = AuditEntry.objects.create(
        attempt_id=uuid.uuid4(), user_id=1, token_id=uuid.uuid4(), finished_at=timezone.now()
    )
    links = [(LinkKind.FINISHED, document.values_of(bare))]
    with transaction.atomic():
        chain.add_entry_links(chain.locked_chain(), links)
    assert seal_of(bare).standing == "broken"


def test_an_entry_is_unchecked_without_its_key(made: AuditEntry, settings: Settings) -> None:
    settings.AUDIT_KEYS = [OTHER_KEY]
    assert seal_of(made).standing == "unchecked"


def test_an_entry_of_an_older_key_holds(made: AuditEntry, settings: Settings) -> None:
    settings.AUDIT_KEYS = [OTHER_KEY, *settings.AUDIT_KEYS]
    assert seal_of(made).standing == "holds"
