"""The errors of a call to Katapult.

KatapultError             `.exchange` is the call as far as known, `.code` a stable code
├── NotSent               nothing was sent: nothing can have changed
│   ├── NoFreeConnection  all connections of this process were in use
│   ├── ConnectAgain      the access token has expired, and no other one can be had
│   └── IdentityUnavailable  the same, for now: Katapult's OAuth2 did not answer as it should
├── AnswerLost            sent, at least in part, without a complete answer: it may have worked
├── UnreadableAnswer      an answer that is not the API's: HTML, empty, a redirect, too large
└── ErrorAnswer           Katapult answered with a code, a description and a detail

`call.py` maps the exceptions of httpx to these errors, each with its original as the cause.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime

from ipadmin.katapult.types import Exchange

# Error codes which prove that a call changed nothing, by status. [doc, seen, frame]
# Any other pair of status and code proves nothing: a gateway, too, can answer with a code and a
# status of 4xx, even after it has forwarded the request. None has a status of 5xx: the API may have
# failed halfway.
REFUSALS: dict[int, tuple[str, ...]] = {
    400: (
        *("missing_api_token", "invalid_argument"),
        *("missing_required_argument", "invalid_json_body"),
    ),
    403: (
        *("unauthorized_network_for_api_token", "invalid_api_token", "invalid_capabilities_token"),
        *("scope_not_granted", "permission_denied"),
        *("organization_suspended", "organization_not_activated"),
    ),
    404: (
        *("ip_address_not_found", "organization_not_found", "virtual_machine_not_found"),
        *("virtual_machine_network_interface_not_found", "no_user_associated_with_identity"),
        "route_not_found",
    ),
    406: ("object_in_trash",),
    409: ("resource_does_not_support_unallocation",),
    422: (
        *("no_allocation", "validation_error"),
        *("ip_already_allocated", "no_interface_available", "invalid_ip"),
    ),
    429: ("rate_limit_reached",),
}


class KatapultError(Exception):
    """A call that failed. `code` is Katapult's for an ErrorAnswer, else one of this module.
    `is_definite`: a call that ended like this certainly changed nothing."""

    code = ""
    is_definite = False

    def __init__(self, reason: str, exchange: Exchange) -> None:
        super().__init__(reason)
        self.reason = reason
        self.exchange = exchange


class NotSent(KatapultError):
    """No connection could be made, or the request could not be built."""

    code = "not_sent"
    is_definite = True


class NoFreeConnection(NotSent):
    """All connections of this process were in use for as long as a call waits for one."""

    code = "no_free_connection"


class ConnectAgain(NotSent):
    """Katapult's OAuth2 does not accept the refresh token, or the code: its user has to allow the
    access again."""

    code = "connect_again"


class IdentityUnavailable(NotSent):
    """Katapult's OAuth2 did not answer, or with another error. Trying again may help."""

    code = "identity_unavailable"


class AnswerLost(KatapultError):
    """The request was sent, and its result is not known."""

    code = "answer_lost"


class UnreadableAnswer(KatapultError):
    """The answer is not one of the API."""

    code = "unreadable_answer"


class ErrorAnswer(KatapultError):
    """Katapult refused, or failed, with an error code.

    `description` can be empty (it is null for `unhandled_exception` [seen]); `detail` is an
    object whose keys depend on the code.
    """

    def __init__(
        self, code: str, description: str, detail: Mapping[str, object], exchange: Exchange
    ) -> None:
        super().__init__(f"{code}: {description}" if description else code, exchange)
        self.code = code
        self.description = description
        self.detail = dict(detail)
        self.is_definite = code in REFUSALS.get(exchange.status or 0, ())


def kept_until(detail: Mapping[str, object]) -> datetime | None:
    """Until when the object of an `object_in_trash` can be restored, from the detail of the error.
    [doc]"""
    trash = detail.get("trash_object")
    seconds = trash.get("keep_until") if isinstance(trash, dict) else None
    if type(seconds) is int:
        with suppress(ValueError, OverflowError, OSError):
            return datetime.fromtimestamp(seconds, UTC)
    return None
