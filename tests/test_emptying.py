"""What a test with real transactions leaves behind."""

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError

from ipadmin.models import AuditEntry, User
from tests import emptying
from tests.history import keep


@pytest.mark.django_db(transaction=True)
def test_nothing_is_left_and_the_history_is_protected_again(alice: User) -> None:
    keep()
    emptying.empty()
    assert emptying.filled_tables() == set()
    entry = keep()
    with pytest.raises(IntegrityError):
        AuditEntry.objects.filter(pk=entry.pk).delete()


@pytest.mark.django_db
def test_roles_that_a_test_deleted_are_there_again() -> None:
    first = emptying.kept_rows()
    Group.objects.all().delete()
    assert emptying.kept_rows() != first
    emptying.restore(first)
    assert emptying.kept_rows() == first
    assert first[2]
