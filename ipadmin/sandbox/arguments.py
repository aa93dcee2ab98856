"""What a request asks for: arguments from the query, the JSON body and the path.

A lookup is written `ip_address[id]=…` in the query or `{"ip_address": {"id": …}}` in the body;
the body wins. An id in the path counts when neither names one. [seen]
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from .errors import ApiError, invalid_argument, missing_argument

LOOKUPS = {
    "ip_address": ("id", "address"),
    "organization": ("id", "sub_domain"),
    "virtual_machine": ("id", "fqdn"),
}
ID = re.compile(r"(?:ip|org|vm)_[A-Za-z0-9]{16}")
TRUE, FALSE = ("true", "1", "yes"), ("false", "0", "no")


@dataclass(slots=True)
class Request:
    """One request as it came off the wire; `query` undecoded, `token` without `Bearer`."""

    method: str
    path: str
    query: str = ""
    token: str | None = None
    content_type: str = ""
    body: bytes = b""
    peer: str = "127.0.0.1"


@dataclass(slots=True)
class Arguments:
    """The arguments of one request; `broken` if its body could not be read."""

    values: dict[str, Any] = field(default_factory=dict)
    segments: dict[str, str] = field(default_factory=dict)
    broken: bool = False

    def lookup(self, name: str) -> tuple[str, str]:
        """The key and the value to find `name` by.

        Raises `missing_required_argument`, or `invalid_argument` where none or several keys, or
        something that is no text, is given.
        """
        given = self.values.get(name)
        if given is None:
            segment = self.segments.get(name, "")
            if ID.fullmatch(segment):
                return "id", segment
            raise missing_argument(name)
        if not isinstance(given, dict):
            raise invalid_argument([name], "invalid_scalar")
        chosen = [(key, given[key]) for key in LOOKUPS[name] if given.get(key) is not None]
        if not chosen:
            raise invalid_argument([name], "missing_lookup_value")
        if len(chosen) > 1:
            raise invalid_argument([name], "ambiguous_lookup_values")
        key, value = chosen[0]
        if not isinstance(value, str):
            raise invalid_argument([name, key], "invalid_scalar")
        return key, value

    def asked(self) -> dict[str, dict[str, Any]]:
        """The lookups as they were asked for, valid or not, for the ledger."""
        found: dict[str, dict[str, Any]] = {}
        for name in LOOKUPS:
            try:
                key, value = self.lookup(name)
            except ApiError:
                if self.values.get(name) is not None:
                    found[name] = {"invalid": True}
            else:
                found[name] = {key: value}
        return found

    def integer(self, name: str, default: int, highest: int | None = None) -> int:
        """A number of 1 to `highest`; above 200 a page is refused [frame]."""
        given = self.values.get(name)
        if given is None or given == "":
            return default
        if isinstance(given, bool) or not re.fullmatch(r"-?\d{1,18}", str(given)):
            raise invalid_argument([name], "invalid_scalar")
        number = int(given)
        if number < 1:
            raise invalid_argument([name], "validation_error", ["must be 1 or more"])
        if highest is not None and number > highest:
            raise invalid_argument([name], "validation_error", [f"must be {highest} or less"])
        return number

    def boolean(self, name: str) -> bool | None:
        given = self.values.get(name)
        if given is None or given == "":
            return None
        word = str(given).lower()
        if word not in TRUE + FALSE:
            raise invalid_argument([name], "invalid_scalar")
        return word in TRUE


def read(request: Request, segments: dict[str, str]) -> Arguments:
    """The arguments of `request`; a name in the body hides the same name in the query."""
    arguments = Arguments(from_query(request.query), segments)
    if request.body and "json" in (request.content_type or "json"):
        try:
            body = json.loads(request.body)
        except (ValueError, RecursionError):
            body = None
        if isinstance(body, dict):
            arguments.values |= {key: value for key, value in body.items() if value is not None}
        else:
            arguments.broken = True
    return arguments


def from_query(query: str) -> dict[str, Any]:
    """`a[b]=c` as `{"a": {"b": "c"}}`, anything else as it stands."""
    values: dict[str, Any] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        outer, bracket, inner = name.partition("[")
        if not bracket:
            values[outer] = value
        elif isinstance(values.setdefault(outer, {}), dict):
            values[outer][inner.removesuffix("]")] = value
    return values
