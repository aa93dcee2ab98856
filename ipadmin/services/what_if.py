"""What if the next call goes wrong? Faults of the sandbox, for trying out what the site does.

The sandbox's control is plain HTTP at `/_sandbox/faults` (see `ipadmin/sandbox/faults.py`).
"""

from __future__ import annotations

from http.client import HTTPConnection, HTTPException
from typing import NamedTuple
from urllib.parse import urlsplit

import orjson
from django.conf import settings

TIMEOUT_SECONDS = 3.0
# Calls by their names in the sandbox.
CALLS = {
    "unallocate": "the next request to unallocate",
    "allocate": "the next request to allocate",
    "set_reverse_dns": "the next reverse DNS request",
    "get": "the next read of an address",
}
Rule = dict[str, object]


class SandboxSilent(Exception):
    """The sandbox can't be reached, or KATAPULT_API_URL is not this project's sandbox."""


class Scenario(NamedTuple):
    title: str
    text: str
    rule: Rule


SCENARIOS = {
    "hang": Scenario(
        "No response",
        "Nothing happens, and the request times out.",
        {"kind": "no_answer", "acts": False},
    ),
    "act_and_hang": Scenario(
        "It works, but no response arrives",
        "The address is changed, and the request times out.",
        {"kind": "no_answer", "acts": True},
    ),
    "act_and_break": Scenario(
        "It works, but the connection breaks",
        "The address is changed, and the connection is reset at once.",
        {"kind": "reset_after"},
    ),
    "late": Scenario(
        "It works later",
        "The request times out. Two seconds after that, the address is changed.",
        {"kind": "late", "seconds": 2},
    ),
    "rate_limit": Scenario("429", "The rate limit is reached.", {"kind": "rate_limit"}),
    "error": Scenario("500", "An internal error of Katapult.", {"kind": "status", "status": 500}),
    "unavailable": Scenario("503", "Katapult is unavailable.", {"kind": "status", "status": 503}),
    "html": Scenario("HTML", "An error page of a proxy (502).", {"kind": "html"}),
    "foreign": Scenario("Other JSON", "It is not Katapult's format.", {"kind": "foreign"}),
    "no_scope": Scenario(
        "Scope missing",
        "The token has lost its scope.",
        {"kind": "error", "code": "scope_not_granted"},
    ),
    "unknown_code": Scenario(
        "Unknown error", "An error code that is not documented.", {"kind": "unknown_code"}
    ),
}


class Armed(NamedTuple):
    """A scenario that waits for its call. `title` is the kind of fault for any other rule."""

    title: str
    call: str


def arm(name: str, call: str) -> None:
    """Let the next call go wrong, in place of all other rules. Raises KeyError for an unknown
    scenario or call, and SandboxSilent."""
    rule = {**SCENARIOS[name].rule, "call": call, "times": 1}
    if call not in CALLS:
        raise KeyError(call)
    _faults("PUT", [rule])


def clear() -> None:
    """Raises SandboxSilent."""
    _faults("DELETE")


def armed() -> list[Armed]:
    """The rules that can still apply. Raises SandboxSilent."""
    return [
        Armed(_title(rule), CALLS.get(str(rule.get("call")), "other calls"))
        for rule in _faults("GET")
        if rule.get("times") != 0
    ]


def _title(rule: Rule) -> str:
    for each in SCENARIOS.values():
        if each.rule.items() <= rule.items():
            return each.title
    return str(rule.get("kind"))


def _faults(method: str, rules: list[Rule] | None = None) -> list[Rule]:
    """The rules that are in force after this request."""
    url = urlsplit(settings.KATAPULT_API_URL)
    connection = HTTPConnection(url.hostname or "", url.port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request(method, "/_sandbox/faults", orjson.dumps(rules) if rules else None)
        found = orjson.loads(connection.getresponse().read())
    except (OSError, HTTPException, ValueError) as error:
        raise SandboxSilent from error
    finally:
        connection.close()
    if not isinstance(found, list):
        raise SandboxSilent
    return found
