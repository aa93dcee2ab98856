"""The fields of an audit entry that one call to Katapult fills."""

from __future__ import annotations

from typing import Any

from ipadmin.katapult.errors import ErrorAnswer, KatapultError
from ipadmin.katapult.types import Exchange


def error_fields(error: KatapultError) -> dict[str, Any]:
    """Of a call that ended with an error."""
    fields = exchange_fields(error.exchange) | {"error_code": error.code}
    if not isinstance(error, ErrorAnswer):
        return fields | {"error_description": error.reason[:1000]}
    waits = error.exchange.retry_after
    detail = error.detail | ({"retry_after": waits} if waits is not None else {})
    return fields | {"error_description": error.description, "error_detail": detail}


def exchange_fields(exchange: Exchange) -> dict[str, Any]:
    """Of any call."""
    limit = exchange.rate_limit
    return {
        "http_status": exchange.status,
        "katapult_request_id": exchange.request_id or "",
        "rate_limit_permitted": limit.permitted if limit else None,
        "rate_limit_remaining": limit.remaining if limit else None,
        "duration": exchange.duration,
    }
