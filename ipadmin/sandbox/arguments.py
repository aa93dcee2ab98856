"""What a request asks for: arguments from the path, the query, a form body and the JSON body.

A lookup is written `ip_address[id]=…` in the query or `{"ip_address": {"id": …}}` in the body. A
form hides the same name in the query; the JSON body is merged into both, deeply. The path segment
is the first key of a lookup that is named nowhere else, whatever it looks like. [frame]
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_plus

import orjson

from .errors import ApiError, invalid_argument, missing_argument

LOOKUPS = {
    "ip_address": ("id", "address"),
    "organization": ("id", "sub_domain"),
    "virtual_machine": ("id", "fqdn"),
}
TRUE, FALSE = (True, "true", "yes", 1, "1"), (False, "false", "no", 0, "0")
WHOLE = re.compile(r"-?[0-9]{1,18}")
BRACKETS = re.compile(r"\[([^\]]*)\]|(.+)")
DEEPEST = 32  # names within names in a query [frame]
FORM = "application/x-www-form-urlencoded"
JSON_ARGUMENTS = "_arguments"  # a parameter with JSON, where the body is none
Values = dict[str, object]


@dataclass(slots=True)
class Request:
    """One request as it came off the wire; `query` undecoded, `token` without `Bearer`."""

    method: str
    path: str
    query: str = ""
    token: str | None = None
    content_type: str = ""
    body: bytes = b""


class Arguments:
    """The arguments of a request, from everywhere it may carry them. `segments` are the lookups in
    its path. Raises ApiError if query or body cannot be read."""

    def __init__(self, request: Request, segments: dict[str, str]) -> None:
        values = from_pairs(request.query) | from_pairs(form(request))
        self.values = merged(values, from_json(request, values))
        self.segments = segments

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
        if type(given) not in {int, str} or not WHOLE.fullmatch(str(given)):
            raise invalid_argument([name], "parse_error", "A whole number is expected")
        number = int(str(given))
        if number < 1:
            raise invalid_argument([name], "validation_errors", "greater_than_zero")
        if highest is not None and number > highest:
            error = "less_than_or_equal_to_one_hundred"
            raise invalid_argument([name], "validation_errors", error)
        return number

    def text(self, name: str) -> str | None:
        """Raises `invalid_argument` for a value that is no text; null is no value."""
        given = self.values.get(name)
        if given is not None and not isinstance(given, str):
            raise invalid_argument([name], "invalid_scalar")
        return given

    def boolean(self, name: str) -> bool | None:
        given = self.values.get(name)
        if given is None:
            return None
        if given not in TRUE + FALSE:
            raise invalid_argument([name], "parse_error", "true or false is expected")
        return given in TRUE


def form(request: Request) -> str:
    """The body where it is a form: so called, or of a POST that calls it nothing [frame]."""
    media_type = request.content_type.partition(";")[0].strip()
    is_form = media_type == FORM or (not media_type and request.method == "POST")
    return request.body.decode(errors="replace") if is_form else ""


def from_json(request: Request, values: Values) -> Values:
    """The JSON body, or the JSON in a parameter. What is no object counts as `{}` [frame].

    Raises `invalid_json_body`.
    """
    text = values.get(JSON_ARGUMENTS)
    if request.content_type.startswith("application/json"):
        text = request.body
    if not text or not isinstance(text, bytes | str):
        return {}
    try:
        body = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ApiError("invalid_json_body") from error
    return body if isinstance(body, dict) else {}


def merged(values: Values, over: Values) -> Values:
    """Both, deeply; `over` wins, with its nulls too."""
    result = values | over
    for name in values.keys() & over.keys():
        below, above = values[name], over[name]
        if isinstance(below, dict) and isinstance(above, dict):
            result[name] = merged(below, above)
    return result


def from_pairs(text: str) -> Values:
    """`a[b]=c` as `{"a": {"b": "c"}}`, `a[]=c` as a list, `a` without `=` as null [frame]."""
    values: Values = {}
    for pair in text.split("&"):
        name, equals, value = pair.partition("=")
        if name:
            put(values, unquote_plus(name), unquote_plus(value) if equals else None)
    return values


def put(values: Values, name: str, value: object) -> None:
    """Raises `unhandled_exception` for names too deep, or text and object at once [frame]."""
    outer = name[:1] + name[1:].partition("[")[0]
    inner = BRACKETS.findall(name[len(outer) :])
    keys = [outer, *(within or odd for within, odd in inner)]
    if "" in keys[1:]:  # no call takes a list, so what is in it does not matter
        keys, value = keys[: keys.index("", 1)], [value]
    if len(keys) > DEEPEST:
        raise ApiError("unhandled_exception")
    place = values
    for key in keys[:-1]:
        below = place.setdefault(key, {})
        if not isinstance(below, dict):
            raise ApiError("unhandled_exception")
        place = below
    place[keys[-1]] = value
