"""Everything that can go wrong between us and Katapult, as one tree.

KatapultError               `.exchange` is what is known of the call, `.code` a stable word
├── NoAnswer
│   ├── NotSent             the request never left: nothing can have changed
│   └── AnswerLost          sent, at least in part, and no whole answer came: it may have worked
├── UnreadableAnswer        an answer that is not the API's: HTML, empty, a redirect, too large
└── ErrorAnswer             Katapult answered with a code, a description and a detail

httpx's exceptions end in `client.py`, which maps each onto this tree and chains the original.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ipadmin.katapult.types import Exchange


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
        """A 4xx is a refusal. A 5xx is the API failing, perhaps halfway; so is an error code
        under a status that says success."""
        return self.exchange.status is not None and 400 <= self.exchange.status < 500
