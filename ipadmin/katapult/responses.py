"""From the bytes and headers of an answer to values of `types.py`, or to an error of `errors.py`.

Tolerant of what is missing, null, new or of another type; strict only where a value would
otherwise have to be invented. Text is made safe to store: no lone surrogates, no NUL.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from ipaddress import ip_address as parsed_address
from typing import Any, TypedDict, TypeVar

from ipadmin.katapult.errors import ErrorAnswer, UnreadableAnswer
from ipadmin.katapult.redaction import Redaction
from ipadmin.katapult.types import (
    Allocation,
    CurrentUser,
    Exchange,
    IPAddress,
    Organization,
    Page,
    RateLimit,
)

T = TypeVar("T")

# Longer than anything seen by far; keeps a hostile answer from filling the audit history.
MAX_ID = 64
MAX_TEXT = 1000
MAX_DETAIL = 10_000
MAX_ITEMS = 50
MAX_DEPTH = 4


class OtherAddress(ValueError):
    """An answer about another address than the one asked for."""


class ExchangeHeaders(TypedDict):
    request_id: str | None
    rate_limit: RateLimit | None
    retry_after: float | None


def read_headers(headers: Mapping[str, str], redaction: Redaction) -> ExchangeHeaders:
    """The request id and rate limit an answer carries; 500s come without the latter. [seen]"""
    permitted = _count(headers.get("X-Ratelimit-Permitted"))
    remaining = _count(headers.get("X-Ratelimit-Remaining"))
    return {
        "request_id": redaction.text(text(headers.get("X-Request-Id")))[:64] or None,
        "rate_limit": (
            None if permitted is None and remaining is None else RateLimit(permitted, remaining)
        ),
        "retry_after": _retry_after(headers.get("Retry-After")),
    }


def _retry_after(value: str | None) -> float | None:
    """Seconds from now, of a Retry-After that gives seconds or an HTTP date (RFC 9110)."""
    seconds = _count(value)
    if seconds is not None or value is None:
        return None if seconds is None else float(seconds)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def read(content: bytes, exchange: Exchange, parse: Callable[[Any], T], redaction: Redaction) -> T:
    """The value in an answer. Decides by the error code before the status. [doc]

    Only status 200 brings a value [seen]. Raises ErrorAnswer where there is a code, and
    UnreadableAnswer for everything that is neither.
    """
    body = _json(content, exchange, redaction)
    if error := _error(body):
        raise ErrorAnswer(**error, exchange=exchange)
    if exchange.status != 200:
        raise UnreadableAnswer(f"status {exchange.status} without an error code", exchange)
    if isinstance(body, dict) and (body.get("error") or body.get("code")):
        raise UnreadableAnswer("an error without a readable code", exchange)
    try:
        return parse(body)
    except OtherAddress as problem:
        raise UnreadableAnswer("the answer is about another address", exchange) from problem
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise UnreadableAnswer("the answer has another shape", exchange) from problem


def _json(content: bytes, exchange: Exchange, redaction: Redaction) -> Any:
    try:
        body = json.loads(content.decode(), object_pairs_hook=_unambiguous)
        # Not before it is decoded: JSON can write each character of a token as an escape.
        return redaction.value(body)
    except (ValueError, RecursionError) as problem:
        what = "is not JSON" if content.strip() else "is empty"
        reason = f"status {exchange.status}; the answer {what}"
        raise UnreadableAnswer(reason, exchange) from problem


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON. Readers differ in which of two equal keys they take, so that an object
    with both says nothing."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key occurs twice")
    return found


class _Error(TypedDict):
    code: str
    description: str
    detail: dict[str, Any]


def _error(body: Any) -> _Error | None:
    """The error in a body: wrapped as the live API sends it [seen], or flat [doc]."""
    if not isinstance(body, dict):
        return None
    wrapped = body.get("error")
    error = wrapped if isinstance(wrapped, dict) and wrapped.get("code") else body
    code = error.get("code")
    if not isinstance(code, str) or not code.strip():
        return None
    return {
        "code": text(code)[:100],
        "description": text(error.get("description")),
        "detail": _detail(error.get("detail")),
    }


def _detail(value: Any) -> dict[str, Any]:
    """Always an object, whatever was sent, and never one that fills the audit history."""
    detail = clean(value)
    written = json.dumps(detail)
    if len(written) > MAX_DETAIL:
        return {"cut": written[:MAX_TEXT]}
    if isinstance(detail, dict):
        return detail
    return {} if detail is None else {"value": detail}


def current_user(body: Any) -> CurrentUser:
    if "user" not in body and "organizations" not in body:
        raise KeyError("user")
    user = body.get("user") or {}
    names = [text(user.get("first_name")), text(user.get("last_name"))]
    return CurrentUser(
        name=text(user.get("name")) or " ".join(filter(None, names)),
        email_address=text(user.get("email_address")),
        organizations=tuple(_organization(each) for each in _list(body.get("organizations") or [])),
    )


def organizations(body: Any) -> tuple[Organization, ...]:
    return tuple(_organization(each) for each in _list(body["organizations"]))


def ip_addresses(body: Any) -> Page[IPAddress]:
    pagination = body.get("pagination") or {}
    items = tuple(_ip_address(each) for each in _list(body["ip_addresses"]))
    return Page(
        items=items,
        current_page=_count(pagination.get("current_page")) or 1,
        per_page=_count(pagination.get("per_page")) or len(items),
        total_pages=_count(pagination.get("total_pages")),
        total=_count(pagination.get("total")),
        large_set=pagination.get("large_set") is True,
    )


def ip_address(body: Any) -> IPAddress:
    value = body["ip_address"]
    # Here, unlike in a list, what holds the address stands beside it. [doc, seen]
    return _ip_address(
        {"allocation": body["allocation"], **value} if "allocation" in body else value
    )


def is_about(ip: IPAddress, *, id: str | None, address: str | None) -> IPAddress:
    """The address, if it has this id and this text (None: any). Raises OtherAddress."""
    if (id is not None and ip.id != id) or (
        address is not None and not _is_same_address(ip.address, address)
    ):
        raise OtherAddress
    return ip


def _is_same_address(one: str, other: str) -> bool:
    try:
        # An IPv6 address can be written in several ways.
        return one == other or parsed_address(one) == parsed_address(other)
    except ValueError:
        return False


def nothing(body: Any) -> None:
    """`{}` is all that a successful unallocation says. [seen 361 times]"""
    if body != {}:
        raise ValueError("an empty object was expected")


def _organization(value: Any) -> Organization:
    return Organization(
        id=required(value["id"]),
        name=text(value.get("name")),
        sub_domain=text(value.get("sub_domain")),
    )


def _ip_address(value: Any) -> IPAddress:
    network = value.get("network")
    return IPAddress(
        id=required(value["id"]),
        address=required(value["address"]),
        reverse_dns=optional(value.get("reverse_dns")),
        vip=value.get("vip") is True,
        allocation=_allocation(value),
        label=optional(value.get("label")),
        network=optional(network.get("name")) if isinstance(network, dict) else None,
        address_with_mask=optional(value.get("address_with_mask")),
    )


def _allocation(value: dict[str, Any]) -> Allocation | None:
    """Who holds the address, from `allocation_id` and `allocation_type` and from the
    `allocation` of a single read: `{type, value: {id, name}}` [seen] or `{id, name}` [doc].

    None only where the answer says that nothing does: an attempt is judged by it.
    """
    if not value.keys() & {"allocation", "allocation_id", "allocation_type"}:
        raise KeyError("allocation")
    given = value.get("allocation")
    outer = given if isinstance(given, dict) else {}
    inner = outer["value"] if isinstance(outer.get("value"), dict) else outer
    id = optional(value.get("allocation_id")) or optional(inner.get("id"))
    kind = optional(value.get("allocation_type")) or optional(outer.get("type"))
    name = optional(inner.get("name"))
    if id or kind or name:
        return Allocation(id=id or "", type=kind, name=name)
    if any(inner.values()) or (given and not outer):
        raise ValueError("held by something without a name")
    return None


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("a list was expected")
    return value


def text(value: Any) -> str:
    """Any value as text that a database can hold; nothing for null."""
    if value is None:
        return ""
    if isinstance(value, (dict, list)):
        value = json.dumps(clean(value), ensure_ascii=False)
    whole = str(value)[:MAX_TEXT].encode("utf-8", "replace").decode()
    return whole.replace("\x00", "\N{REPLACEMENT CHARACTER}")


def optional(value: Any) -> str | None:
    return text(value) or None


def required(value: Any) -> str:
    """An id or an address, exactly as it came: a changed one would be another's."""
    if not isinstance(value, str) or not value.strip() or len(value) > MAX_ID:
        raise ValueError("an id or an address was expected")
    if text(value) != value:
        raise ValueError("an id or an address that cannot be kept")
    return value


def clean(value: Any, depth: int = 0) -> Any:
    """A JSON value that is safe and small enough to keep: bounded in depth, length and number."""
    if isinstance(value, (dict, list)) and depth >= MAX_DEPTH:
        return "…"
    if isinstance(value, dict):
        items = list(value.items())[:MAX_ITEMS]
        return {text(key)[:100]: clean(each, depth + 1) for key, each in items}
    if isinstance(value, list):
        return [clean(each, depth + 1) for each in value[:MAX_ITEMS]]
    # Numbers that JSON columns or browsers cannot hold exactly are kept as text.
    is_large = isinstance(value, (int, float)) and not abs(value) <= 2**53
    return text(value) if isinstance(value, str) or is_large else value


def _count(value: Any) -> int | None:
    """A whole number that is not negative, from a header or from JSON; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        return None
    digits = str(value).strip()
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 9 else None
