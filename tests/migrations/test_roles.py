"""The migration that makes the roles."""

from __future__ import annotations

from importlib import import_module

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.db import connection

from ipadmin.models import User

pytestmark = pytest.mark.django_db

roles = import_module("ipadmin.migrations.0002_roles")


def granted(role: str) -> set[str]:
    return {permission.codename for permission in Group.objects.get(name=role).permissions.all()}


def test_the_permissions_of_each_role() -> None:
    assert granted("operator") == {"use_apitoken", "view_auditentry"}
    assert granted("auditor") == {"view_auditentry", "view_auditlink"}
    assert granted("administrator") == {
        *("view_user", "add_user", "change_user", "delete_user"),
        "view_group",
    }


def test_nobody_may_change_an_entry() -> None:
    codenames = Permission.objects.filter(content_type__model="auditentry")
    assert [permission.codename for permission in codenames] == ["view_auditentry"]


def test_making_roles_twice_changes_nothing() -> None:
    before = {role: granted(role) for role in roles.ROLES}
    roles.make_roles(apps, connection.schema_editor())
    assert {role: granted(role) for role in roles.ROLES} == before
    assert Group.objects.count() == 3


def test_making_roles_creates_missing_permissions() -> None:
    Permission.objects.all().delete()
    roles.make_roles(apps, connection.schema_editor())
    assert granted("operator") == {"use_apitoken", "view_auditentry"}


def test_each_test_user_has_the_role_of_its_fixture(
    alice: User, audrey: User, adam: User, charlie: User
) -> None:
    assert alice.has_perm("ipadmin.use_apitoken")
    assert not audrey.has_perm("ipadmin.use_apitoken")
    assert audrey.has_perm("ipadmin.view_auditentry")
    assert adam.has_perm("ipadmin.change_user")
    assert not charlie.get_all_permissions()
