"""Connections through OAuth2 against the sandbox: used, refreshed, ended, revoked."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.db import Error
from django.db.models import QuerySet
from django.utils import timezone

from ipadmin import crypto
from ipadmin.audit.activity import Actor
from ipadmin.katapult.errors import ConnectAgain, ErrorAnswer, IdentityUnavailable
from ipadmin.katapult.oauth import SCOPES
from ipadmin.katapult.types import Secret
from ipadmin.models import ApiToken, AuditEntry, AuditLink, LinkKind, Outcome, User
from ipadmin.sandbox import Sandbox
from ipadmin.services import api, budget, confirmation, connections, inventory, oauth, tokens
from ipadmin.services.attempt import Circumstances, carry_out
from ipadmin.services.confirmation import Bound, Confirmation
from tests.oauth import allowed, connected, refreshes
from tests.services.conftest import PLANTED

pytestmark = pytest.mark.django_db


@pytest.fixture
def connection(alice: User, identity: Sandbox) -> ApiToken:
    return connected(alice)


def expire(token: ApiToken, *, seconds_left: float = -1) -> None:
    token.expires_at = timezone.now() + timedelta(seconds=seconds_left)
    token.save(update_fields=["expires_at"])


def forget(box: Sandbox, token: ApiToken) -> None:
    """Katapult does not accept the access token any more."""
    box.engine.tokens.pop(token.decrypt_secret().reveal())


def confirm(token: ApiToken) -> Confirmation:
    listed = inventory.read_allocated(token)
    held = next(a for a in listed.addresses if a.allocation and "Machine" in str(a.allocation.type))
    return confirmation.read(token, held.id)


def attempt(token: ApiToken, confirmed: Confirmation) -> AuditEntry:
    return carry_out(confirmed.change, Circumstances(token.owner, token))


def test_a_connection_is_a_token_with_an_organization(connection: ApiToken) -> None:
    stored = ApiToken.objects.get()
    assert (stored.label, stored.organization_sub_domain) == ("Katapult", "northwind")
    assert (stored.is_connection, stored.can_list, stored.can_unallocate) == (True, True, True)
    assert set(stored.granted_scopes) == set(SCOPES)
    assert stored.expires_at
    left = stored.expires_at - timezone.now()
    assert timedelta(minutes=59) < left <= timedelta(hours=1)
    link = AuditLink.objects.get(kind=LinkKind.TOKEN_ADDED)
    assert link.details
    assert link.details["token_fingerprint"] == stored.fingerprint
    assert link.details["methods"] == ["oauth2"]


def test_each_connection_has_a_label_of_its_own(connection: ApiToken, alice: User) -> None:
    assert connected(alice, 1).label == "Katapult 2"


def test_nothing_is_stored_when_the_event_cannot_be_sealed(
    alice: User, identity: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise Error("full")

    monkeypatch.setattr("ipadmin.audit.activity.record", fail)
    with pytest.raises(Error):
        connected(alice)
    assert not ApiToken.objects.exists()


def test_the_refresh_token_is_bound_to_row_owner_and_purpose(connection: ApiToken) -> None:
    assert connection.decrypt_refresh_token() != connection.decrypt_secret()
    connection.encrypted_secret = connection.encrypted_refresh_token
    with pytest.raises(crypto.CannotDecrypt):
        connection.decrypt_secret()
    connection.id = uuid.uuid4()
    with pytest.raises(crypto.CannotDecrypt):
        connection.decrypt_refresh_token()


def test_a_valid_access_token_is_not_refreshed(connection: ApiToken, identity: Sandbox) -> None:
    assert inventory.read(connection).addresses
    assert refreshes(identity) == []


@pytest.mark.parametrize("seconds_left", [-100, 30])
def test_it_is_refreshed_before_it_expires(
    connection: ApiToken, identity: Sandbox, seconds_left: float
) -> None:
    expire(connection, seconds_left=seconds_left)
    forget(identity, connection)
    before, old_refresh = connection.fingerprint, connection.decrypt_refresh_token()
    assert inventory.read(connection).addresses
    assert refreshes(identity) == ["200"]
    stored = ApiToken.objects.get()
    assert stored.fingerprint == connection.fingerprint != before
    assert stored.decrypt_refresh_token() not in {None, old_refresh}
    assert stored.expires_at
    assert stored.expires_at > timezone.now() + timedelta(minutes=59)
    calls = [each["token_fingerprint"] for each in identity.ledger() if each["call"] == "list"]
    assert stored.fingerprint.startswith(str(calls[-1]))


def test_a_read_that_was_refused_is_repeated_once(connection: ApiToken, identity: Sandbox) -> None:
    forget(identity, connection)
    assert tokens.organizations(connection)
    assert refreshes(identity) == ["200"]
    assert ApiToken.objects.get().last_error_code == ""


def test_a_read_that_is_refused_again_is_not_repeated_again(
    connection: ApiToken, identity: Sandbox
) -> None:
    identity.set_faults([{"kind": "error", "call": "get", "code": "invalid_api_token"}])
    with pytest.raises(ErrorAnswer) as caught:
        inventory.find(connection, address="198.18.0.1")
    assert caught.value.code == "invalid_api_token"
    assert len(identity.ledger("get")) == 2
    assert refreshes(identity) == ["200"]
    assert ApiToken.objects.get().last_error_code == "invalid_api_token"


def test_a_pasted_token_is_not_renewed(alice: User, identity: Sandbox) -> None:
    token = tokens.add(owner=alice, label="Pasted", secret=Secret(f"{PLANTED}-second"))
    identity.set_faults([{"kind": "error", "call": "get", "code": "invalid_api_token"}])
    with pytest.raises(ErrorAnswer):
        inventory.find(token, address="198.18.0.1")
    assert len(identity.ledger("get")) == 1
    assert identity.oauth_ledger() == []


def test_a_list_goes_on_with_another_access_token(connection: ApiToken, identity: Sandbox) -> None:
    """What was read is kept with the token; the rate limit is that of the access token."""
    known = inventory.read(connection)
    before = connection.fingerprint
    expire(connection)
    later = inventory.read(connection)
    assert connection.fingerprint != before
    assert [a.id for a in later.addresses] == [a.id for a in known.addresses]
    stored = inventory.stored(ApiToken.objects.get())
    assert stored
    assert stored.read_at == later.read_at
    left = budget.remaining(connection.fingerprint)
    assert left is not None
    assert left > (budget.remaining(before) or 0)


def test_a_confirmation_outlives_a_refresh(connection: ApiToken, identity: Sandbox) -> None:
    confirmed = confirm(connection)
    bound = Bound(connection.owner, connection, confirmed.ip.id)
    signed = confirmed.signed(bound)
    expire(connection)
    inventory.find(connection, id=confirmed.ip.id)
    assert confirmation.load(signed, bound).attempt_id == confirmed.attempt_id


def test_an_attempt_refreshes_first_and_names_the_token_that_it_uses(
    connection: ApiToken, identity: Sandbox
) -> None:
    confirmed = confirm(connection)
    expire(connection, seconds_left=30)
    before = connection.fingerprint
    entry = attempt(connection, confirmed)
    assert entry.outcome == Outcome.SUCCEEDED
    assert entry.token_fingerprint == connection.fingerprint != before
    assert refreshes(identity) == ["200"]


def test_an_unallocation_is_never_repeated(connection: ApiToken, identity: Sandbox) -> None:
    confirmed = confirm(connection)
    before = len(identity.ledger("unallocate"))
    identity.set_faults([{"kind": "error", "call": "unallocate", "code": "invalid_api_token"}])
    entry = attempt(connection, confirmed)
    assert (entry.outcome, entry.error_code) == (Outcome.FAILED, "invalid_api_token")
    assert len(identity.ledger("unallocate")) == before + 1
    assert refreshes(identity) == []


def test_a_refused_refresh_ends_the_connection(connection: ApiToken, identity: Sandbox) -> None:
    expire(connection, seconds_left=30)
    identity.behave(error="invalid_grant")
    for _ in range(2):
        with pytest.raises(ConnectAgain):
            inventory.read(ApiToken.objects.get())
    # The second one does not ask again.
    assert refreshes(identity) == ["invalid_grant"]
    stored = ApiToken.objects.get()
    assert stored.must_connect_again
    assert stored.last_error_code == "connect_again"


@pytest.mark.parametrize("error", ["500", "lost", "invalid_client", "temporarily_unavailable"])
def test_a_refresh_that_fails_can_be_tried_again(
    connection: ApiToken, identity: Sandbox, error: str
) -> None:
    expire(connection)
    identity.behave(error=error, times=1)
    with pytest.raises(IdentityUnavailable):
        inventory.find(connection, address="198.18.0.1")
    assert not ApiToken.objects.get().must_connect_again
    if error != "lost":
        assert inventory.read(connection).addresses


def test_a_failed_refresh_does_not_matter_while_the_access_token_is_valid(
    connection: ApiToken, identity: Sandbox
) -> None:
    expire(connection, seconds_left=30)
    identity.behave(error="500")
    assert inventory.read(connection).addresses


def test_a_lost_answer_ends_the_connection_with_the_next_refresh(
    connection: ApiToken, identity: Sandbox
) -> None:
    """As does a crash between the answer and the commit: the refresh token was used."""
    expire(connection)
    identity.behave(error="lost", times=1)
    with pytest.raises(IdentityUnavailable):
        inventory.read(connection)
    with pytest.raises(ConnectAgain):
        inventory.read(connection)
    assert ApiToken.objects.get().must_connect_again


def test_a_grant_that_cannot_be_stored_ends_the_connection(
    connection: ApiToken, identity: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    expire(connection)

    def fail(self: object, **fields: object) -> int:
        raise Error("full")

    with monkeypatch.context() as patch:
        patch.setattr(QuerySet, "update", fail)
        with pytest.raises(IdentityUnavailable):
            inventory.read(connection)
    with pytest.raises(ConnectAgain):
        inventory.read(ApiToken.objects.get())


def test_an_attempt_without_an_access_token_is_refused(
    connection: ApiToken, identity: Sandbox
) -> None:
    confirmed = confirm(connection)
    before = len(identity.ledger())
    expire(connection)
    identity.behave(error="invalid_grant")
    entry = attempt(connection, confirmed)
    assert (entry.outcome, entry.error_code) == (Outcome.REFUSED, "connect_again")
    assert len(identity.ledger()) == before


def test_without_a_refresh_token_it_works_until_it_expires(
    connection: ApiToken, identity: Sandbox
) -> None:
    ApiToken.objects.update(encrypted_refresh_token=None)
    connection.refresh_from_db()
    assert inventory.read(connection).addresses
    expire(connection)
    with pytest.raises(ConnectAgain):
        inventory.read(connection)


def test_a_check_is_stored_though_the_access_token_changes(
    connection: ApiToken, identity: Sandbox
) -> None:
    ApiToken.objects.update(checked_at=None)
    expire(connection)
    tokens.check(connection)
    assert ApiToken.objects.get().checked_at


def test_deletion_revokes(connection: ApiToken, identity: Sandbox) -> None:
    access = connection.decrypt_secret().reveal()
    connections.delete(connection)
    assert access not in identity.engine.tokens
    assert identity.engine.oauth.grants == {}
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize("error", ["500", "lost"])
def test_deletion_does_not_need_the_provider(
    connection: ApiToken, identity: Sandbox, error: str
) -> None:
    identity.behave(error=error)
    connections.delete(connection)
    assert not ApiToken.objects.exists()


def test_a_pasted_secret_takes_the_place_of_a_connection(
    connection: ApiToken, identity: Sandbox
) -> None:
    tokens.replace(connection, Secret(PLANTED))
    stored = ApiToken.objects.get()
    assert (stored.is_connection, stored.expires_at, stored.encrypted_refresh_token) == (
        *(False, None),
        None,
    )
    assert identity.engine.oauth.grants == {}


def test_connecting_again_repairs_a_connection(connection: ApiToken, identity: Sandbox) -> None:
    expire(connection)
    identity.behave(error="invalid_grant", times=1)
    with pytest.raises(ConnectAgain):
        inventory.read(connection)
    connections.connect_again(connection, allowed(), Actor(user_id=connection.owner_id))
    stored = ApiToken.objects.get()
    assert not stored.must_connect_again
    assert stored.last_error_code == ""
    assert inventory.read(stored).addresses
    assert AuditLink.objects.filter(kind=LinkKind.TOKEN_REPLACED).count() == 1


def test_connecting_again_keeps_the_organization(connection: ApiToken, identity: Sandbox) -> None:
    with pytest.raises(tokens.OrganizationMismatch):
        connections.connect_again(connection, allowed(1), Actor())


def test_a_refresh_does_not_undo_that_the_user_connected_again(
    connection: ApiToken, identity: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = ApiToken.objects.get()
    expire(mine)
    refresh = oauth.client().refresh

    def refresh_slowly(token: Secret) -> object:
        found = refresh(token)
        connections.connect_again(connection, allowed(), Actor())
        return found

    monkeypatch.setattr(oauth.client(), "refresh", refresh_slowly)
    with pytest.raises(IdentityUnavailable):
        inventory.find(mine, address="198.18.0.1")
    assert ApiToken.objects.get().fingerprint == connection.fingerprint
    assert inventory.read(ApiToken.objects.get()).addresses


def test_a_token_that_was_deleted_is_not_refreshed(connection: ApiToken, identity: Sandbox) -> None:
    expire(connection)
    ApiToken.objects.all().delete()
    with pytest.raises(ConnectAgain), api.using(connection):
        pytest.fail("used")
    assert refreshes(identity) == []
