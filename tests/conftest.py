"""Fixtures of all tests.

alice and bob are operators, audrey an auditor, adam an administrator, charlie has no role.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import hypothesis
import pytest
from allauth.account.internal.flows.login import record_authentication
from django.conf import settings
from django.contrib.auth.models import Group
from django.core.cache import caches
from django.db import connection
from django.http import HttpRequest
from django.test import Client, override_settings
from pytest_django import DjangoDbBlocker

from ipadmin.models import User
from tests import emptying
from tests.examples import share_of

# Of the properties that ask for no number of examples.
hypothesis.settings.register_profile(
    "share", hypothesis.settings.default, max_examples=share_of(100)
)
hypothesis.settings.load_profile("share")

BROWSER = Path(__file__).parent / "browser"
PASSWORD = "correct horse battery staple"

# Fixtures of pytest-django, which every fixture with a database asks for.
USE_DATABASE = {"db", "transactional_db", "django_db_reset_sequences", "live_server"}

ClientOf = Callable[..., Client]


@pytest.fixture(scope="session", autouse=True)
def _cheap_passwords() -> Iterator[None]:
    """Fast password hashes; Argon2 is slow on purpose."""
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        yield


@pytest.fixture(scope="session", autouse=True)
def _cache_in_memory() -> Iterator[None]:
    """So that tests without a database can clear it; tests of the shared cache set their own."""
    memory = settings.MEMORY_CACHE
    with override_settings(CACHES={"default": memory, "memory": memory | {"LOCATION": "other"}}):
        yield


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """No waiting for the disk: a test database may be lost with the power."""
    if connection.vendor == "sqlite":
        options = connection.settings_dict["OPTIONS"]
        options["init_command"] = options["init_command"].replace("FULL", "OFF")


@pytest.fixture(scope="session", autouse=True)
def _emptied_quickly(
    request: pytest.FixtureRequest, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    with ExitStack() as stack:
        # Otherwise pytest-django has made none.
        if any(item.get_closest_marker("database") for item in request.session.items):
            with django_db_blocker.unblock():
                stack.enter_context(emptying.quickly())
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_other_connections(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """End other connections: PostgreSQL can't drop a database in use, and a thread of the live
    server may still be running when a browser was closed during a request."""
    yield
    if connection.vendor == "postgresql":
        others = "datname = current_database() AND pid <> pg_backend_pid()"
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")
        connection.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that use the database: only those can differ between SQLite and PostgreSQL;
    and those that drive a browser."""
    for item in items:
        if BROWSER in item.path.parents:
            item.add_marker("browser")
        fixtures = getattr(item, "fixturenames", ())
        if item.get_closest_marker("django_db") or not USE_DATABASE.isdisjoint(fixtures):
            item.add_marker("database")


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    """They count sign-ins, and calls of Katapult."""
    for name in ("default", "memory"):
        caches[name].clear()


def person(name: str, role: str | None = None) -> User:
    """A new user, with or without a role."""
    user = User.objects.create_user(name, password=PASSWORD)
    if role:
        user.groups.add(Group.objects.get(name=role))
    return user


@pytest.fixture
def alice(db: None) -> User:
    return person("alice", "operator")


@pytest.fixture
def bob(db: None) -> User:
    return person("bob", "operator")


@pytest.fixture
def charlie(db: None) -> User:
    return person("charlie")


@pytest.fixture
def audrey(db: None) -> User:
    return person("audrey", "auditor")


@pytest.fixture
def adam(db: None) -> User:
    return person("adam", "administrator")


def prove_identity(client: Client, user: User) -> None:
    """What a sign-in with the password leaves in the session; `force_login` does not."""
    request = HttpRequest()
    request.session = client.session
    request.user = user
    record_authentication(request, user, method="password")
    request.session.save()


@pytest.fixture
def client_of() -> ClientOf:
    """A signed-in client: `client_of(alice)`."""

    def signed_in(user: User, *, enforce_csrf_checks: bool = False) -> Client:
        client = Client(enforce_csrf_checks=enforce_csrf_checks)
        client.force_login(user)
        prove_identity(client, user)
        return client

    return signed_in
