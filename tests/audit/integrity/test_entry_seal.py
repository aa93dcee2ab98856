"""Whether the seal of one entry is said to hold when it does, and only then."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import Settings

from ipadmin.audit import document, entries
from ipadmin.audit.integrity import chain, entry_seal
from ipadmin.audit.integrity.entry_seal import EntrySeal
from ipadmin.models import AuditEntry, AuditLink, LinkKind, triggers
from tests.services.conftest import Attempt
from tests.services.katapult import Katapult

pytestmark = pytest.mark.django_db(transaction=True)
OTHER_KEY = "b3RoZXIta2V5LW90aGVyLWtleS1vdGhlci1rZXktMDE="


def seal_of(entry: AuditEntry) -> EntrySeal:
    return entry_seal.seal_of(document.values_of(entry))


@pytest.fixture
def made(attempt: Attempt, katapult: Katapult) -> AuditEntry:
    """An attempt that worked, behind another one in the chain."""
    open_one()
    return attempt()


def open_one() -> AuditEntry:
    entry = AuditEntry(attempt_id=uuid.uuid4(), user_id=1, token_id=uuid.uuid4(), address="?")
    entries.open(entry)
    return entry


@contextmanager
def without_triggers() -> Iterator[None]:
    """As somebody has it who owns the database."""
    with connection.schema_editor() as editor:
        triggers.unprotect(None, editor)
    yield
    with connection.schema_editor() as editor:
        triggers.protect(None, editor)


def test_it_holds(made: AuditEntry) -> None:
    seal = seal_of(made)
    assert seal.standing == "holds"
    assert seal.first is not None
    assert seal.last is not None
    assert (seal.first.sequence, seal.last.sequence) == (2, 3)


def test_the_first_of_the_chain() -> None:
    assert seal_of(open_one()).standing == "open"


def test_one_that_was_never_sealed(made: AuditEntry) -> None:
    bare = AuditEntry.objects.create(
        attempt_id=uuid.uuid4(), user_id=1, token_id=uuid.uuid4(), finished_at=timezone.now()
    )
    assert seal_of(bare) == EntrySeal(entry_seal.Standing.MISSING, None, None)


@pytest.mark.parametrize("change", [{"reason": "another"}, {"http_status": 500}, {"duration": 9}])
def test_a_changed_entry(made: AuditEntry, change: dict[str, object]) -> None:
    with without_triggers():
        AuditEntry.objects.filter(pk=made.pk).update(**change)
    assert seal_of(made).standing == "broken"


@pytest.mark.parametrize("change", [{"digest": b"x" * 32}, {"mac": b"x" * 32}])
@pytest.mark.parametrize("sequence", [2, 3])
def test_a_changed_seal(made: AuditEntry, sequence: int, change: dict[str, bytes]) -> None:
    with without_triggers():
        AuditLink.objects.filter(sequence=sequence).update(**change)
    assert seal_of(made).standing == "broken"


def test_the_link_before_it(made: AuditEntry) -> None:
    with without_triggers():
        AuditLink.objects.filter(sequence=1).update(mac=b"x" * 32)
        assert seal_of(made).standing == "broken"
        AuditLink.objects.filter(sequence=1).delete()
    assert seal_of(made).standing == "broken"


def test_a_seal_that_was_removed(made: AuditEntry) -> None:
    with without_triggers():
        AuditLink.objects.filter(sequence=3).delete()
    assert seal_of(made).standing == "missing"


def test_an_outcome_that_was_removed(made: AuditEntry) -> None:
    with without_triggers():
        AuditEntry.objects.filter(pk=made.pk).update(finished_at=None)
    assert seal_of(made).standing == "broken"


def test_sealed_twice(made: AuditEntry) -> None:
    with transaction.atomic():
        chain.seal_finished(document.values_of(made))
    assert seal_of(made).standing == "broken"


def test_sealed_at_its_end_alone() -> None:
    bare = AuditEntry.objects.create(
        attempt_id=uuid.uuid4(), user_id=1, token_id=uuid.uuid4(), finished_at=timezone.now()
    )
    links = [(LinkKind.FINISHED, document.values_of(bare))]
    with transaction.atomic():
        chain.add_entry_links(chain.locked_chain(), links)
    assert seal_of(bare).standing == "broken"


def test_a_key_that_is_lost(made: AuditEntry, settings: Settings) -> None:
    settings.AUDIT_KEYS = [OTHER_KEY]
    assert seal_of(made).standing == "unchecked"


def test_a_key_before_the_newest(made: AuditEntry, settings: Settings) -> None:
    settings.AUDIT_KEYS = [OTHER_KEY, *settings.AUDIT_KEYS]
    assert seal_of(made).standing == "holds"
