"""The process's one Katapult client, and the use of a saved token with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache

import structlog
from django.conf import settings
from django.utils import timezone

from ipadmin import __version__
from ipadmin.katapult.client import KatapultClient, Timeouts
from ipadmin.katapult.errors import KatapultError
from ipadmin.katapult.types import Exchange, Secret
from ipadmin.models import ApiToken

log = structlog.get_logger(__name__)

# "Last used" is for people; a write for every call would be for nobody.
USED_AT_PRECISION = timedelta(minutes=1)


@cache
def client() -> KatapultClient:
    return KatapultClient(
        settings.KATAPULT_API_URL,
        user_agent=f"ipadmin/{__version__}",
        timeouts=Timeouts(**settings.KATAPULT_TIMEOUTS),
        max_connections=settings.KATAPULT_MAX_CONNECTIONS,
        observe=log_exchange,
    )


def log_exchange(exchange: Exchange, error: KatapultError | None) -> None:
    limit = exchange.rate_limit
    log.info(
        "katapult_call",
        method=exchange.method,
        path=exchange.path,
        status=exchange.status,
        duration_ms=round(exchange.duration * 1000, 1),
        katapult_request_id=exchange.request_id,
        rate_limit_remaining=limit.remaining if limit else None,
        error_code=error.code if error else None,
        error=error.reason if error else None,
    )


@contextmanager
def using(token: ApiToken) -> Iterator[Secret]:
    """The token's secret for one piece of work; keeps when it was used and how that failed.

    Raises crypto.CannotOpen when the secret has to be entered again; lets KatapultError through.
    """
    secret = token.open_secret()
    now = timezone.now()
    try:
        yield secret
    except KatapultError as error:
        note_error(token, error.code)
        raise
    finally:
        if token.used_at is None or now - token.used_at > USED_AT_PRECISION:
            token.used_at = now
            ApiToken.objects.filter(pk=token.pk).update(used_at=now)


def note_error(token: ApiToken, code: str) -> None:
    token.last_error_code, token.last_error_at = code, timezone.now()
    ApiToken.objects.filter(pk=token.pk).update(
        last_error_code=token.last_error_code, last_error_at=token.last_error_at
    )
