"""The tokens of connections through OAuth2: stored, refreshed in time, revoked."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import cache, partial

import structlog
from django.conf import settings
from django.db import Error, IntegrityError, connection, transaction
from django.utils import timezone

from ipadmin import crypto
from ipadmin.katapult.errors import ConnectAgain, IdentityUnavailable, NotSent
from ipadmin.katapult.oauth import SCOPES, Endpoints, Grant, OAuthClient
from ipadmin.katapult.types import AccessToken, Exchange, Secret
from ipadmin.models import ApiToken
from ipadmin.models.cache_entry import CacheEntry

log = structlog.get_logger(__name__)

# An access token that expires sooner is refreshed before it is used. Longer than an attempt: an
# unallocation is never sent a second time.
REFRESH_BEFORE = timedelta(seconds=settings.LONGEST_ATTEMPT)
# Longer than a refresh takes; of a process that died during one.
LEASE = timedelta(seconds=20)
LEASE_POLL_SECONDS = 0.05
# What a grant sets.
FIELDS = (
    *("encrypted_secret", "last_four", "fingerprint"),
    *("encrypted_refresh_token", "expires_at", "granted_scopes"),
)


def is_configured() -> bool:
    return bool(settings.KATAPULT_OAUTH_CLIENT_ID and settings.KATAPULT_OAUTH_CLIENT_SECRET)


@cache
def client() -> OAuthClient:
    return OAuthClient(
        Endpoints(
            settings.KATAPULT_OAUTH_AUTHORIZE_URL,
            settings.KATAPULT_OAUTH_TOKEN_URL,
            settings.KATAPULT_OAUTH_REVOKE_URL,
        ),
        settings.KATAPULT_OAUTH_CLIENT_ID,
        Secret(settings.KATAPULT_OAUTH_CLIENT_SECRET),
    )


def put(token: ApiToken, grant: Grant) -> dict[str, object]:
    """Set what a grant says, without saving; the fields and their values."""
    token.encrypt_secret(grant.access_token)
    token.encrypt_refresh_token(grant.refresh_token)
    lifetime = grant.lifetime
    token.expires_at = None
    if lifetime is not None:
        token.expires_at = timezone.now() + timedelta(seconds=lifetime)
    # Those that were asked for, where the answer names none. [RFC 6749, 5.1]
    token.granted_scopes = list(grant.scopes) or token.granted_scopes or list(SCOPES)
    return {name: getattr(token, name) for name in FIELDS}


def kept_fresh(token: ApiToken, secret: Secret) -> Secret:
    """The secret to use a token with: of a connection an access token that does not expire soon,
    and that a read can renew. Raises KatapultError and crypto.CannotDecrypt."""
    if not token.is_connection:
        return secret
    renewed = partial(_renewed, token, threading.get_ident())
    left = token.expires_at - timezone.now() if token.expires_at else None
    if left is not None and left < REFRESH_BEFORE:
        try:
            secret = renewed(secret)
        except NotSent:
            # The old one may still be valid; the next use tries again.
            if left <= timedelta(0) or token.must_connect_again:
                raise
    return AccessToken(secret, renewed)


def refresh_early(token: ApiToken) -> None:
    """Refresh an access token that expires soon, so that what is written next names the one that is
    used. A failure is left to its use."""
    with suppress(NotSent, crypto.CannotDecrypt):
        kept_fresh(token, token.decrypt_secret())


def revoke(token: ApiToken) -> None:
    """Revoke the grant of a connection at the provider. A failure is only logged: the tokens are
    deleted here in any case."""
    try:
        client().revoke(token.decrypt_refresh_token() or token.decrypt_secret())
    except (NotSent, crypto.CannotDecrypt) as error:
        log.warning("grant_not_revoked", token_id=str(token.pk), error=str(error))


def _renewed(token: ApiToken, thread: int, refused: Secret) -> Secret:
    """The access token to use instead of one that expires soon or was refused. Refreshed once,
    however many threads and processes ask for it at the same time."""
    try:
        with _lease(token):
            token.refresh_from_db(fields=FIELDS)
            if token.fingerprint == refused.fingerprint:
                _refresh(token)
            return token.decrypt_secret()
    except ApiToken.DoesNotExist:
        raise ConnectAgain("the token was deleted", _exchange()) from None
    except Error as error:
        log.exception("token_not_refreshed", token_id=str(token.pk))
        raise IdentityUnavailable("the database failed", _exchange()) from error
    finally:
        if threading.get_ident() != thread:
            # A thread that reads a page ends soon, and would leave it open.
            connection.close()


def _refresh(token: ApiToken) -> None:
    """Refresh the access token, and store both tokens. If the process dies before they are stored,
    the provider refuses the old refresh token, and its user has to connect again."""
    unchanged = ApiToken.objects.filter(pk=token.pk, fingerprint=token.fingerprint)
    try:
        grant = client().refresh(_refresh_token(token))
    except ConnectAgain as error:
        log.warning("connection_ended", token_id=str(token.pk), error=error.reason)
        token.encrypted_refresh_token, token.expires_at = None, timezone.now()
        unchanged.update(encrypted_refresh_token=None, expires_at=token.expires_at)
        raise
    if unchanged.update(**put(token, grant)):
        log.info("token_refreshed", token_id=str(token.pk), token_fingerprint=token.fingerprint)
        return
    # Deleted, or connected again in the meantime.
    revoke(token)
    raise IdentityUnavailable("the token was replaced", _exchange())


def _refresh_token(token: ApiToken) -> Secret:
    """Raises ConnectAgain."""
    try:
        secret = token.decrypt_refresh_token()
    except crypto.CannotDecrypt:
        secret = None
    if secret is None:
        raise ConnectAgain("there is no refresh token", _exchange())
    return secret


@contextmanager
def _lease(token: ApiToken) -> Iterator[None]:
    """Let one thread of all processes refresh this token at a time. In the table of the database
    cache, whose rows expire; unlike a row lock, it keeps no transaction open during a request.

    Raises IdentityUnavailable when others take too long.
    """
    mine = {"cache_key": f"refresh:{token.pk}", "value": uuid.uuid4().hex}
    ends_at = time.monotonic() + LEASE.total_seconds()
    while not _take(mine):
        if time.monotonic() > ends_at:
            raise IdentityUnavailable("another process is refreshing the token", _exchange())
        time.sleep(LEASE_POLL_SECONDS)
    try:
        yield
    finally:
        CacheEntry.objects.filter(**mine).delete()


def _take(lease: dict[str, str]) -> bool:
    now = timezone.now()
    held = CacheEntry.objects.filter(cache_key=lease["cache_key"])
    # Read first: many may be waiting, and only one of them writes.
    if held.filter(expires__gt=now).exists():
        return False
    held.filter(expires__lte=now).delete()
    try:
        with transaction.atomic():
            CacheEntry.objects.create(**lease, expires=now + LEASE)
    except IntegrityError:
        return False
    return True


def _exchange() -> Exchange:
    """Of a request that was not sent."""
    return Exchange("POST", settings.KATAPULT_OAUTH_TOKEN_URL, 0.0)
