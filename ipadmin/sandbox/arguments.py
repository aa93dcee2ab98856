"""The arguments of a request: from the path, the query and the JSON body.

A lookup is written `ip_address[id]=…` in the query or `{"ip_address": {"id": …}}` in the body; the
body is merged into the query and wins. The path segment is the first key of a lookup that is named
nowhere else, whatever it looks like. Forms, which the framework reads as well, no client sends.
[frame]
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
TRUE, FALSE = (True, "true", "yes", 1, "1"), (False, "false", "no", 0, "0")
WHOLE_NUMBER = re.compile(r"-?[0-9]{1,4000}")  # Python reads no more than 4,300 digits
LOOKUP = re.compile(r"(\w+)\[(\w+)\]")
Values = dict[str, Any]


@dataclass(slots=True)
class Request:
    """One HTTP request; `query` undecoded, `token` without `Bearer`."""

    method: str
    path: str
    query: str = ""
    token: str | None = None
    content_type: str = ""
    body: bytes = b""
    peer: str = "127.0.0.1"


@dataclass(slots=True)
class Arguments:
    """The arguments of one request; `error` if its body could not be read."""

    values: Values = field(default_factory=dict)
    segments: dict[str, str] = field(default_factory=dict)
    error: ApiError | None = None

    def lookup(self, name: str) -> tuple[str, str]:
        """The key and the value to find `name` by; a null value is the empty text, which finds
        nothing.

        Raises `missing_required_argument`, or `invalid_argument` where none or several keys, or
        something that is no text, is given.
        """
        keys = LOOKUPS[name]
        if name not in self.values and name in self.segments:
            return keys[0], self.segments[name]
        given = self.values.get(name)
        if given is None:
            raise missing_argument(name)
        if not isinstance(given, dict):
            raise invalid_argument([name], "object_expected")
        for key in keys:
            if not isinstance(given.get(key, ""), str | None):
                raise invalid_argument([name, key], "invalid_scalar")
        present = [key for key in keys if key in given]
        if not present:
            raise invalid_argument([name], "missing_lookup_value")
        chosen = [key for key in present if given[key] is not None]
        if len(chosen) > 1:
            raise invalid_argument([name], "ambiguous_lookup_values")
        return (chosen[0], given[chosen[0]]) if chosen else (present[0], "")

    def integer(self, name: str, default: int, highest: int | None = None) -> int:
        """A number of 1 to `highest`; above 200 a page is refused, in words that say 100 [frame].

        A null is an unhandled exception, because the framework compares it all the same [frame].
        """
        given = self.values.get(name, default)
        if given is None:
            raise ApiError("unhandled_exception")
        if type(given) not in {int, str} or not WHOLE_NUMBER.fullmatch(str(given)):
            raise invalid_argument([name], "parse_error", ["A whole number is expected"])
        number = int(given)
        if number < 1:
            raise invalid_argument([name], "validation_errors", ["greater_than_zero"])
        if highest is not None and number > highest:
            errors = ["less_than_or_equal_to_one_hundred"]
            raise invalid_argument([name], "validation_errors", errors)
        return number

    def boolean(self, name: str) -> bool | None:
        given = self.values.get(name)
        if given is None:
            return None
        if given not in TRUE + FALSE:
            raise invalid_argument([name], "parse_error", ["true or false is expected"])
        return given in TRUE


def read(request: Request, segments: dict[str, str]) -> Arguments:
    """The arguments of `request`; `segments` are those of its path, by lookup."""
    try:
        values, body = from_query(request.query), from_json(request)
    except ApiError as error:
        return Arguments(error=error)
    for name, value in body.items():
        both = isinstance(value, dict) and isinstance(values.get(name), dict)
        values[name] = values[name] | value if both else value
    return Arguments(values, segments)


def from_query(text: str) -> Values:
    """`a[b]=c` as `{"a": {"b": "c"}}`. Raises `unhandled_exception` for text and lookup at once."""
    values: Values = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        if match := LOOKUP.fullmatch(name):
            keys = values.setdefault(match[1], {})
            if not isinstance(keys, dict):
                raise ApiError("unhandled_exception")
            keys[match[2]] = value
        else:
            values[name] = value
    return values


def from_json(request: Request) -> Values:
    """The JSON body. What is no object counts as `{}` [frame]. Raises `invalid_json_body`."""
    if not request.content_type.startswith("application/json") or not request.body:
        return {}
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError) as error:
        raise ApiError("invalid_json_body", {"details": "The body cannot be parsed"}) from error
    return body if isinstance(body, dict) else {}
