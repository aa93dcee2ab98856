"""The fields of an audit entry that a call to Katapult sets."""

from __future__ import annotations

from math import ceil
from typing import Any

from ipadmin.katapult.errors import ErrorAnswer, KatapultError
from ipadmin.katapult.types import Exchange


def error_fields(error: KatapultError) -> dict[str, Any]:
    """The fields after a call that ended with an error. `retry_after` is in whole seconds."""
    fields = exchange_fields(error.exchange) | {"error_code": error.code}
    if not isinstance(error, ErrorAnswer):
        return fields | {"error_description": error.reason[:1000]}
    seconds = error.exchange.retry_after
    detail = error.detail | ({} if seconds is None else {"retry_after": ceil(seconds)})
    return fields | {"error_description": error.description, "error_detail": detail}


def exchange_fields(exchange: Exchange) -> dict[str, Any]:
    """The fields after any call."""
    limit = exchange.rate_limit
    return {
        "http_status": exchange.status,
        "katapult_request_id": exchange.request_id or "",
        "rate_limit_permitted": limit.permitted if limit else None,
        "rate_limit_remaining": limit.remaining if limit else None,
        "duration_us": round(exchange.duration * 1_000_000),
    }
