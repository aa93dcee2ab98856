"""What the database made of an entry by itself is not sealed as if it had been written."""

from __future__ import annotations

from datetime import timedelta, timezone

import pytest
from django.db import connection, transaction
from django.utils.timezone import now

from ipadmin.audit import entries
from ipadmin.audit.integrity.chain import NotSealed
from ipadmin.models import AuditEntry, AuditLink
from ipadmin.services.unallocate import AuditUnavailable, OutcomeNotWritten
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
    """A trigger of somebody who has dropped ours, until the test ends."""
    execute("SELECT 1")
    sql = SQLITE if connection.vendor == "sqlite" else POSTGRESQL
    with connection.cursor() as cursor:
        cursor.execute(sql.format(event=event, change=change))


def test_nothing_is_sent_under_another_name(attempt: Attempt, katapult: Katapult) -> None:
    forge("INSERT", "user_name = 'bob'")
    with pytest.raises(AuditUnavailable):
        attempt()
    assert (katapult.requests, AuditEntry.objects.count(), AuditLink.objects.count()) == ([], 0, 0)


def test_another_outcome_is_not_sealed(attempt: Attempt, katapult: Katapult) -> None:
    forge("UPDATE OF finished_at", "http_status = 500")
    with pytest.raises(OutcomeNotWritten):
        attempt()
    assert AuditEntry.objects.get().is_open
    assert finding() == ""


def test_a_change_between_is_not_sealed() -> None:
    entry = opened()
    forge("UPDATE OF finished_at", "reason = 'another'")
    with pytest.raises(NotSealed), transaction.atomic():
        finish(entry)
    assert AuditLink.objects.count() == 1


@pytest.mark.parametrize("source_ip", ["2001:DB8:0::1", "::ffff:192.0.2.1", "192.0.2.1", None])
def test_another_form_of_the_same_is_no_other(source_ip: str | None) -> None:
    entry = opened(source_ip=source_ip, created_at=now().astimezone(timezone(timedelta(hours=9))))
    detail = {"wait": 1e-7, "much": 1e22, "none": None, "text": "\u00e9\U0001f600"}
    ending = {"error_detail": detail, "duration": 0.1 + 0.2, "finished_at": now()}
    assert entries.update(entry, ending)
