"""What was there before there were seals is sealed once, and what was put in since is not."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from ipadmin.models import AuditEntry, AuditSeal, AuditTally, AuditTerm, Facet, SealKind, Span
from ipadmin.services.proving import adoption, seals
from tests.tampering import execute, finding, finished, opened, unsealed

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adoption, "BATCH", 2)


def old(**fields: Any) -> AuditEntry:
    """Finished before there were seals."""
    return unsealed(outcome="succeeded", finished_at=timezone.now(), user_name="alice", **fields)


def kinds() -> list[str]:
    return list(AuditSeal.objects.values_list("kind", flat=True))


def test_finished_entries_are_adopted_and_open_ones_sealed() -> None:
    for _ in range(5):
        old()
    unsealed()
    done = adoption.adopt()
    assert (done.finished, done.opened, done.left) == (5, 1, 0)
    assert kinds() == [SealKind.ADOPTED] * 5 + [SealKind.OPENED]
    assert finding() == ""


def test_they_are_counted() -> None:
    for _ in range(3):
        old()
    unsealed()
    adoption.adopt()
    days = AuditTally.objects.filter(facet=Facet.ALL, span=Span.DAY)
    assert [tally.attempts for tally in days] == [3]
    assert AuditTerm.objects.get(field="user_name_key").attempts == 3


def test_a_second_time_nothing_is_done() -> None:
    old()
    unsealed()
    adoption.adopt()
    assert adoption.adopt() == adoption.Adopted(0, 0, 0)
    assert len(kinds()) == 2


def test_what_was_done_since_the_upgrade_stays_as_it_was_sealed() -> None:
    old()
    waiting = unsealed()
    old()
    finished()
    seals.seal_act(SealKind.HEAD_TAKEN, {"by": "cron"})
    opened()
    done = adoption.adopt()
    assert (done.finished, done.opened, done.left) == (2, 1, 0)
    assert finding() == ""
    waiting.refresh_from_db()
    assert waiting.is_open


def test_an_interrupted_run_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(_done: int) -> None:
        raise KeyboardInterrupt

    for _ in range(5):
        old()
    with pytest.raises(KeyboardInterrupt):
        adoption.adopt(stop)
    finished()
    assert adoption.adopt().finished == 3
    assert finding() == ""


def test_what_was_put_in_later_is_not_adopted() -> None:
    first = old()
    old()
    adoption.adopt()
    finished()
    old(user_id=2)
    execute("UPDATE ipadmin_auditentry SET id = 0 WHERE user_id = 2")
    old(user_id=3)
    done = adoption.adopt()
    assert (done.finished, done.left) == (0, 2)
    assert finding().startswith("Inserted: entry 0 ")
    assert first.pk > 0


def test_a_change_of_an_adopted_entry_is_found() -> None:
    entry = old()
    adoption.adopt()
    execute("UPDATE ipadmin_auditentry SET outcome = 'failed' WHERE id = %s", entry.pk)
    assert "is not as link 1 sealed it" in finding()


@pytest.mark.parametrize("pk", [-7, 0, None])
def test_an_open_one_that_was_put_in_is_not_sealed(pk: int | None) -> None:
    """Neither below all others, nor where a number was left out."""
    _first, left_out, _last = old(), old(), old()
    execute("DELETE FROM ipadmin_auditentry WHERE id = %s", left_out.pk)
    adoption.adopt()
    finished()
    planted = unsealed()
    number = left_out.pk if pk is None else pk
    execute("UPDATE ipadmin_auditentry SET id = %s WHERE id = %s", number, planted.pk)
    done = adoption.adopt()
    assert (done.opened, done.left) == (0, 1)


def test_not_even_before_anything_was_sealed() -> None:
    planted = unsealed()
    execute("UPDATE ipadmin_auditentry SET id = -7 WHERE id = %s", planted.pk)
    assert adoption.adopt() == adoption.Adopted(0, 0, 1)
