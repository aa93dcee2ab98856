"""On PostgreSQL the site needs no role that owns its tables: see deploy/postgresql.sql."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.contrib.auth.models import Group
from django.db import DatabaseError, connection, transaction
from django.test import Client

from ipadmin.audit.activity import Actor
from ipadmin.audit.integrity import verification
from ipadmin.models import AuditVerification, User
from ipadmin.services import people
from ipadmin.services.reconcile import reconcile
from tests.conftest import PASSWORD
from tests.views.confirming import act, only_entry, url
from tests.views.katapult import Organizations

# Used by name only, as fixtures are.
__all__ = ["url"]

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no roles"),
]


@pytest.fixture
def as_site(url: str, audrey: User, adam: User) -> Iterator[None]:
    """The rest of the test runs as the role of the site, not as the owner of the tables."""
    with connection.cursor() as cursor:
        cursor.execute((settings.BASE_DIR / "deploy/postgresql.sql").read_text())
        cursor.execute("SET ROLE ipadmin_app")
        yield
        cursor.execute("RESET ROLE")


@pytest.mark.usefixtures("as_site")
def test_the_site_signs_in_unallocates_reconciles_and_verifies(
    client: Client, alices: Client, url: str, katapult: Organizations
) -> None:
    form = {"login": "audrey", "password": PASSWORD}
    assert client.post("/accounts/login/", form).status_code == 302
    act(alices, url, reason="OPS-1 moved")
    assert (only_entry().outcome, katapult.holder) == ("succeeded", None)
    assert reconcile() == []
    client.post("/audit/integrity/", {})
    verification.perform_requested()
    assert AuditVerification.objects.get().holds
    for path in ("/audit/?q=moved", "/audit/integrity/", f"/audit/{only_entry().attempt_id}/"):
        assert client.get(path).status_code == 200


@pytest.mark.usefixtures("as_site")
def test_the_site_manages_people(audrey: User, adam: User) -> None:
    by = Actor(adam.pk, "adam")
    people.change_roles(audrey, Group.objects.filter(name="operator"), by)
    people.disable(audrey, by)
    people.enable(audrey, by)
    assert people.reset_access(audrey, by)


@pytest.mark.usefixtures("as_site")
@pytest.mark.parametrize(
    "statement",
    [
        "DROP TRIGGER audit_entry_finished ON ipadmin_auditentry",
        "ALTER TABLE ipadmin_auditlink DISABLE TRIGGER ALL",
        "UPDATE ipadmin_auditlink SET kind = 'opened'",
        "DELETE FROM ipadmin_auditlink",
        "TRUNCATE ipadmin_auditentry CASCADE",
        "DROP FUNCTION audit_refuse CASCADE",
        "INSERT INTO auth_group_permissions (group_id, permission_id) VALUES (1, 1)",
        "CREATE TABLE mine (id int)",
        "SET session_replication_role = replica",
    ],
)
def test_the_site_cannot_remove_what_protects_the_history(statement: str) -> None:
    refused = pytest.raises(DatabaseError, match=r"must be owner|permission denied")
    with refused, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
