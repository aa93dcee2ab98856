from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import pytest
from pytest_django import Settings

from ipadmin.katapult.client import KatapultClient, Timeouts
from ipadmin.katapult.types import Allocation, IPAddress, Organization, Secret
from ipadmin.models import ApiToken, AuditEntry, User
from ipadmin.sandbox import Sandbox
from ipadmin.services import api
from ipadmin.services.attempt import Circumstances, carry_out
from ipadmin.services.confirmation import Confirmation
from tests.oauth import CLIENT, provider
from tests.services.cloud import Cloud
from tests.services.katapult import ADDRESS, IP, VM, Katapult

# The token. It may only be in the Authorization header.
PLANTED = "planted0token0planted0CANARY"

Attempt = Callable[..., AuditEntry]


def keep_token(
    owner: User, secret: str, organization: Organization, label: str = "Live"
) -> ApiToken:
    token = ApiToken(
        owner=owner,
        label=label,
        organization_id=organization.id,
        organization_name=organization.name,
        organization_sub_domain=organization.sub_domain,
    )
    token.encrypt_secret(Secret(secret))
    token.save(force_insert=True)
    return token


@pytest.fixture
def katapult(monkeypatch: pytest.MonkeyPatch) -> Iterator[Katapult]:
    """Answers all calls of the test."""
    made = Katapult()
    client = made.client()
    monkeypatch.setattr(api, "client", lambda: client)
    yield made
    client.close()


@pytest.fixture
def token(alice: User) -> ApiToken:
    return keep_token(alice, PLANTED, Organization("org_1", "Acme", "acme"))


@pytest.fixture
def seen() -> IPAddress:
    """The address as the operator confirmed it."""
    allocation = Allocation(VM, "VirtualMachine", "web-01")
    return IPAddress(
        IP, ADDRESS, "web-01.example.net", vip=False, allocation=allocation, label="shop"
    )


@pytest.fixture
def confirmed(seen: IPAddress) -> Confirmation:
    return Confirmation(uuid.uuid4(), seen, is_last_of_family=False, in_organization=True)


@pytest.fixture
def attempt(token: ApiToken, confirmed: Confirmation) -> Attempt:
    """Makes the confirmed attempt, or another."""

    def make(confirmation: Confirmation = confirmed, **more: str) -> AuditEntry:
        return carry_out(confirmation.change, Circumstances(token.owner, token, **more))

    return make


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """The sandbox over real HTTP, which answers all calls of the test."""
    with Sandbox(addresses=40, token=PLANTED, oauth_client=CLIENT) as box:
        client = KatapultClient(
            box.url, user_agent="tests", timeouts=Timeouts(read=0.3), observe=api.observe
        )
        monkeypatch.setattr(api, "client", lambda: client)
        yield box
        client.close()


@pytest.fixture
def identity(box: Sandbox, settings: Settings) -> Iterator[Sandbox]:
    """The sandbox as API and as identity provider."""
    with provider(box, settings):
        yield box


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """Answers all calls of the test, about many addresses."""
    made = Cloud()
    client = made.client()
    monkeypatch.setattr(api, "client", lambda: client)
    yield made
    client.close()
