"""The stage of whole pages: a Katapult in memory, somebody's token, and their browsers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from ipadmin.katapult.types import Organization
from ipadmin.models import ApiToken, AuditEntry, User
from ipadmin.services import api
from tests.conftest import ClientOf
from tests.history import keep
from tests.services.conftest import PLANTED, box, cloud, identity, keep_token, token
from tests.services.katapult import ADDRESS, IP, VM
from tests.views.katapult import Organizations

# Used by name only, as fixtures are.
__all__ = ["PLANTED", "box", "cloud", "identity", "token"]

HTMX = {"HX-Request": "true"}

MakeEntry = Callable[..., AuditEntry]


@pytest.fixture
def katapult(monkeypatch: pytest.MonkeyPatch) -> Iterator[Organizations]:
    """Answers every call of the test, from memory."""
    made = Organizations()
    client = made.client()
    monkeypatch.setattr(api, "client", lambda: client)
    yield made
    client.close()


@pytest.fixture
def alices(alice: User, client_of: ClientOf) -> Client:
    """alice's browser."""
    return client_of(alice)


@pytest.fixture
def bobs_token(bob: User) -> ApiToken:
    return keep_token(bob, "bobs0token0bobs0token", Organization("org_1", "Acme", "acme"), "Bob's")


@pytest.fixture
def adam_the_operator(adam: User) -> User:
    """An administrator who is an operator as well, and still sees nobody else's token."""
    adam.groups.add(Group.objects.get(name="operator"))
    return adam


@pytest.fixture
def unready(alice: User) -> ApiToken:
    """A token of alice's whose organization is not chosen."""
    return keep_token(alice, "another0token0of0alices", Organization("", "", ""), "Unready")


@pytest.fixture
def unopenable(token: ApiToken) -> ApiToken:
    """alice's token, sealed with a key that is lost."""
    token.encrypted_secret = b"not sealed by any key of ours"
    token.save()
    return token


@pytest.fixture
def entry(db: None) -> MakeEntry:
    """Put an attempt into the history: one that worked, unless told."""

    def make(**fields: Any) -> AuditEntry:
        usual = {"address_id": IP, "address": ADDRESS, "allocation_id": VM}
        return keep(**usual | fields)

    return make
