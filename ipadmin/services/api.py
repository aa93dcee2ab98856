"""The Katapult client of the process, and calls with a stored token."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache

import structlog
from django.conf import settings
from django.db import Error, transaction
from django.utils import timezone

from ipadmin import __version__
from ipadmin.katapult.client import KatapultClient, Timeouts
from ipadmin.katapult.errors import KatapultError
from ipadmin.katapult.types import Exchange, Secret
from ipadmin.models import ApiToken
from ipadmin.services import budget, oauth

log = structlog.get_logger(__name__)

# `used_at` is written once a minute at most, not for every call.
USED_AT_PRECISION = timedelta(minutes=1)


@cache
def client() -> KatapultClient:
    return KatapultClient(
        settings.KATAPULT_API_URL,
        user_agent=f"ipadmin/{__version__}",
        timeouts=Timeouts(**settings.KATAPULT_TIMEOUTS),
        max_connections=settings.KATAPULT_MAX_CONNECTIONS,
        observe=observe,
    )


def observe(exchange: Exchange, error: KatapultError | None) -> None:
    """Log a call, and remember how many calls its rate limit has left."""
    budget.note(exchange)
    log.info(
        "katapult_call",
        method=exchange.method,
        path=exchange.path,
        status=exchange.status,
        duration_ms=round(exchange.duration * 1000, 1),
        katapult_request_id=exchange.request_id,
        token_fingerprint=exchange.token_fingerprint,
        rate_limit_remaining=exchange.rate_limit_remaining,
        error_code=error.code if error else None,
        error=error.reason if error else None,
    )


@contextmanager
def using(token: ApiToken) -> Iterator[Secret]:
    """The token's secret for one piece of work; an access token is refreshed before it expires.
    Writes `used_at` and the last error to the token.

    Raises crypto.CannotDecrypt when the secret has to be entered again, and the KatapultError of a
    refresh. That of the work is raised again.
    """
    secret = token.decrypt_secret()
    now = timezone.now()
    try:
        yield oauth.kept_fresh(token, secret)
    except KatapultError as error:
        _note(token, last_error_code=error.code, last_error_at=timezone.now())
        raise
    finally:
        if token.used_at is None or now - token.used_at > USED_AT_PRECISION:
            _note(token, used_at=now)


def _note(token: ApiToken, **fields: object) -> None:
    """Write to the token. A failure is only logged: it must not replace the result of the work."""
    for name, value in fields.items():
        setattr(token, name, value)
    try:
        with transaction.atomic():
            ApiToken.objects.filter(pk=token.pk).update(**fields)
    except Error:
        log.exception("token_use_not_noted", token_id=str(token.pk))
