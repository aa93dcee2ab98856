"""Everything that can go wrong between us and Katapult, as one tree.

KatapultError               `.exchange` is what is known of the call, `.code` a stable word
├── NoAnswer
│   ├── NotSent             the request never left: nothing can have changed
│   │   └── NoFreeConnection  all connections of this process were in use
│   └── AnswerLost          sent, at least in part, and no whole answer came: it may have worked
├── UnreadableAnswer        an answer that is not the API's: HTML, empty, a redirect, too large
└── ErrorAnswer             Katapult answered with a code, a description and a detail

httpx's exceptions end in `client.py`, which maps each onto this tree and chains the original.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ipadmin.katapult.types import Exchange

# The codes that say that a call changed nothing, each under its own status. [doc, seen, frame]
# A gateway in between also answers with a status of 4xx and a code, and may do so after it has
# passed the request on: any other pair of status and code proves nothing.
REFUSALS: dict[int, frozenset[str]] = {
    400: frozenset(
        {"missing_api_token", "invalid_argument", "missing_required_argument", "invalid_json_body"}
    ),
    403: frozenset(
        {
            "unauthorized_network_for_api_token",
            "invalid_api_token",
            "invalid_capabilities_token",
            "scope_not_granted",
            "permission_denied",
            "organization_suspended",
            "organization_not_activated",
        }
    ),
    404: frozenset(
        {
            "ip_address_not_found",
            "organization_not_found",
            "virtual_machine_not_found",
            "virtual_machine_network_interface_not_found",
            "no_user_associated_with_identity",
            "route_not_found",
        }
    ),
    406: frozenset({"object_in_trash"}),
    409: frozenset({"resource_does_not_support_unallocation"}),
    422: frozenset(
        {
            "no_allocation",
            "validation_error",
            "ip_already_allocated",
            "no_interface_available",
            "invalid_ip",
        }
    ),
    429: frozenset({"rate_limit_reached"}),
}


class KatapultError(Exception):
    """A call that brought no value. `code` is Katapult's own for an ErrorAnswer, else ours."""

    code = ""

    def __init__(self, reason: str, exchange: Exchange) -> None:
        super().__init__(reason)
        self.reason = reason
        self.exchange = exchange

    @property
    def is_definite(self) -> bool:
        """Whether a call that ended like this certainly changed nothing."""
        return False


class NoAnswer(KatapultError):
    """No whole answer arrived."""


class NotSent(NoAnswer):
    """No connection could be made, or the request could not be written down."""

    code = "not_sent"

    @property
    def is_definite(self) -> bool:
        return True


class NoFreeConnection(NotSent):
    """Each connection that this process may have was in use, for as long as a call waits."""

    code = "no_free_connection"


class AnswerLost(NoAnswer):
    """The request left us, and what became of it is not known."""

    code = "answer_lost"


class UnreadableAnswer(KatapultError):
    """Something answered, but not in the words of the API."""

    code = "unreadable_answer"


class ErrorAnswer(KatapultError):
    """Katapult said no, or failed, in its own words.

    `description` can be empty (it is null for `unhandled_exception` [seen]); `detail` is an
    object whose keys depend on the code.
    """

    def __init__(
        self, code: str, description: str, detail: Mapping[str, Any], exchange: Exchange
    ) -> None:
        super().__init__(f"{code}: {description}" if description else code, exchange)
        self.code = code
        self.description = description
        self.detail = dict(detail)

    @property
    def is_definite(self) -> bool:
        """Whether it is one of the REFUSALS. A 5xx is none: the API failed, perhaps halfway."""
        return self.code in REFUSALS.get(self.exchange.status or 0, frozenset())
