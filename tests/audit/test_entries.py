"""Entries are sealed as they were written, by one module alone."""

from __future__ import annotations

from datetime import timedelta, timezone

import pytest
from django.db import connection, transaction
from django.utils.timezone import now

from ipadmin.audit import entries
from ipadmin.audit.integrity.chain import NotSealed
from ipadmin.models import AuditEntry, AuditLink
from ipadmin.services.attempt import AuditUnavailable, OutcomeNotWritten
from tests.services.conftest import Attempt
from tests.services.katapult import Katapult
from tests.tampering import execute, finding, finish, opened

pytestmark = pytest.mark.django_db

SQLITE = """CREATE TRIGGER forge AFTER {event} ON ipadmin_auditentry BEGIN
    UPDATE ipadmin_auditentry SET {change} WHERE id = NEW.id; END"""
POSTGRESQL = """CREATE FUNCTION forge() RETURNS trigger AS $$ BEGIN
    NEW.{change}; RETURN NEW; END $$ LANGUAGE plpgsql;
    CREATE TRIGGER forge BEFORE {event} ON ipadmin_auditentry
    FOR EACH ROW EXECUTE FUNCTION forge()"""


def forge(event: str, change: str) -> None:
    """Install a trigger that changes what is written, in place of ours, until the test ends."""
    execute("SELECT 1")
    sql = SQLITE if connection.vendor == "sqlite" else POSTGRESQL
    with connection.cursor() as cursor:
        cursor.execute(sql.format(event=event, change=change))


def test_nothing_is_sent_when_the_database_changes_an_opened_entry(
    attempt: Attempt, katapult: Katapult
) -> None:
    forge("INSERT", "user_name = 'bob'")
    with pytest.raises(AuditUnavailable):
        attempt()
    assert (katapult.requests, AuditEntry.objects.count(), AuditLink.objects.count()) == ([], 0, 0)


def test_an_outcome_that_the_database_changes_is_not_sealed(
    attempt: Attempt, katapult: Katapult
) -> None:
    forge("UPDATE OF finished_at", "http_status = 500")
    with pytest.raises(OutcomeNotWritten):
        attempt()
    assert AuditEntry.objects.get().is_open
    assert finding() == ""


def test_an_entry_changed_since_it_was_opened_is_not_finished() -> None:
    entry = opened()
    forge("UPDATE OF finished_at", "reason = 'another'")
    with pytest.raises(NotSealed), transaction.atomic():
        finish(entry)
    assert AuditLink.objects.count() == 1


@pytest.mark.parametrize("source_ip", ["2001:DB8:0::1", "::ffff:192.0.2.1", "192.0.2.1", None])
def test_a_value_in_another_form_is_the_same_value(source_ip: str | None) -> None:
    entry = opened(source_ip=source_ip, created_at=now().astimezone(timezone(timedelta(hours=9))))
    detail = {"wait": 1e-7, "much": 1e22, "none": None, "text": "\u00e9\U0001f600"}
    ending = {"error_detail": detail, "duration_us": 300_000, "finished_at": now()}
    assert entries.update(entry, ending)


def test_json_is_stored_without_floats() -> None:
    entry = opened()
    assert entries.update(entry, {"error_detail": {"seconds": 0.5}, "evidence": [1e3]})
    entry.refresh_from_db()
    assert (entry.error_detail, entry.evidence) == ({"seconds": "0.5"}, [1000])
