"""Turns an answer into values of `types.py`, or into an error of `errors.py`.

Missing, null and unknown keys are tolerated, except where a value would have to be invented.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from email.utils import parsedate_to_datetime
from ipaddress import ip_address as parsed_address
from typing import TypeVar

import orjson

from ipadmin.katapult.errors import ErrorAnswer, UnreadableAnswer
from ipadmin.katapult.types import (
    Allocation,
    Exchange,
    IPAddress,
    Organization,
    Page,
    VirtualMachine,
    is_same_host,
)
from ipadmin.katapult.values import (
    MAX_TEXT_LENGTH,
    JsonObject,
    Redaction,
    as_list,
    as_object,
    clean,
    count,
    required,
    text,
)

T = TypeVar("T")

# Characters of JSON.
MAX_DETAIL_LENGTH = 10_000


def retry_after(header: str | None) -> float | None:
    """Seconds from now, of a Retry-After in seconds or as an HTTP date (RFC 9110)."""
    if header is None:
        return None
    try:
        if (seconds := count(header)) is not None:
            return float(seconds)
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def read(
    content: bytes, exchange: Exchange, parse: Callable[[object], T], redaction: Redaction
) -> T:
    """The value in an answer, without the token.

    The error code counts before the status [doc], and only status 200 brings a value [seen].
    Raises ErrorAnswer where there is an error code, else UnreadableAnswer.
    """
    body = _json(content, exchange, redaction)
    if error := _error(body, exchange):
        raise error
    if exchange.status != 200:
        raise UnreadableAnswer(f"status {exchange.status} without an error code", exchange)
    if isinstance(body, dict) and (body.get("error") or body.get("code")):
        raise UnreadableAnswer("an error without a readable code", exchange)
    try:
        return parse(body)
    except (KeyError, TypeError, ValueError) as problem:
        reason = f"the answer has another shape: {problem}"
        raise UnreadableAnswer(reason, exchange) from problem


def _json(content: bytes, exchange: Exchange, redaction: Redaction) -> object:
    try:
        whole = content.decode()
        body = _parsed(whole, content)
        # After decoding: in JSON each character of a token can be written as an escape.
        return body if redaction.is_needless(whole) else redaction.value(body)
    except (ValueError, RecursionError) as problem:
        what = "is not JSON" if content.strip() else "is empty"
        reason = f"status {exchange.status}; the answer {what}"
        raise UnreadableAnswer(reason, exchange) from problem


def _parsed(whole: str, content: bytes) -> object:
    """The JSON of an answer, given as text and as bytes. Raises ValueError for a duplicate key."""
    with suppress(ValueError, TypeError):
        body: object = orjson.loads(content)
        # What is the same when it is written again had no key twice. Far faster than the hook.
        if orjson.dumps(body) == content:
            return body
    return json.loads(whole, object_pairs_hook=_without_duplicates)


def _without_duplicates(pairs: list[tuple[str, object]]) -> JsonObject:
    """A JSON object. Raises ValueError for a duplicate key: parsers differ in which one counts."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key occurs twice")
    return found


def _error(body: object, exchange: Exchange) -> ErrorAnswer | None:
    """The error in a body: wrapped as the live API sends it [seen], or flat [doc]."""
    if not isinstance(body, dict):
        return None
    wrapped = body.get("error")
    error = wrapped if isinstance(wrapped, dict) and wrapped.get("code") else body
    code = error.get("code")
    if not isinstance(code, str) or not code.strip():
        return None
    description, detail = text(error.get("description")), _detail(error.get("detail"))
    return ErrorAnswer(text(code)[:100], description, detail, exchange)


def _detail(value: object) -> JsonObject:
    """Always an object, and at most MAX_DETAIL_LENGTH long."""
    detail = clean(value)
    written = json.dumps(detail)
    if len(written) > MAX_DETAIL_LENGTH:
        return {"cut": written[:MAX_TEXT_LENGTH]}
    if isinstance(detail, dict):
        return detail
    return {} if detail is None else {"value": detail}


def user_organizations(body: object) -> tuple[Organization, ...]:
    fields = as_object(body)
    if "user" not in fields and "organizations" not in fields:
        raise KeyError("user")
    return tuple(map(_organization, as_list(fields.get("organizations") or [])))


def organizations(body: object) -> tuple[Organization, ...]:
    return tuple(map(_organization, as_list(as_object(body)["organizations"])))


def ip_addresses(body: object) -> Page[IPAddress]:
    return _page(body, "ip_addresses", _ip_address)


def virtual_machines(body: object) -> Page[VirtualMachine]:
    return _page(body, "virtual_machines", _virtual_machine)


def virtual_machine(body: object, *, id: str) -> VirtualMachine:
    """Raises ValueError for an answer about another machine than that of `id`."""
    fields = as_object(as_object(body)["virtual_machine"])
    machine = _virtual_machine(fields)
    if machine.id != id:
        raise ValueError("it is about another virtual machine")
    tags = [text(each) for each in as_list(fields.get("tag_names") or [])]
    organization = fields.get("organization")
    return replace(
        machine,
        state=_optional(fields.get("state")),
        organization_id=(
            _optional(organization.get("id")) if isinstance(organization, dict) else None
        ),
        tags=tuple(filter(None, tags)),
        addresses=tuple(map(_ip_address, as_list(fields.get("ip_addresses") or []))),
    )


def _page(body: object, name: str, parse: Callable[[object], T]) -> Page[T]:
    fields = as_object(body)
    pagination = as_object(fields.get("pagination") or {})
    items = tuple(map(parse, as_list(fields[name])))
    return Page(
        items=items,
        per_page=count(pagination.get("per_page")) or len(items),
        total_pages=count(pagination.get("total_pages")),
        total=count(pagination.get("total")),
    )


def ip_address(body: object, *, id: str | None, address: str | None) -> IPAddress:
    """Raises ValueError for an answer about another id, or another address (None: any)."""
    fields = as_object(body)
    value = as_object(fields["ip_address"])
    # Unlike in a list, the allocation is beside the address and not in it. [doc, seen]
    ip = _ip_address(
        {"allocation": fields["allocation"], **value} if "allocation" in fields else value
    )
    is_same_id = id is None or ip.id == id
    if is_same_id and (address is None or _is_same_address(ip.address, address)):
        return ip
    raise ValueError("it is about another address")


def allocated(body: object, *, id: str, known_address: str | None, machine_id: str) -> IPAddress:
    """The address, allocated to this machine. Raises ValueError for any other answer."""
    ip = ip_address(body, id=id, address=known_address)
    if ip.allocation is None or ip.allocation.id != machine_id:
        raise ValueError("the address is not allocated to this virtual machine")
    return ip


def renamed(body: object, *, id: str, known_address: str | None, reverse_dns: str) -> IPAddress:
    """The address, with this host name. Raises ValueError for any other answer."""
    ip = ip_address(body, id=id, address=known_address)
    if not is_same_host(ip.reverse_dns, reverse_dns):
        raise ValueError("the address has another reverse DNS")
    return ip


def _is_same_address(one: str, other: str) -> bool:
    try:
        # An IPv6 address can be written in several ways.
        return one == other or parsed_address(one) == parsed_address(other)
    except ValueError:
        return False


def nothing(body: object) -> None:
    """The body of a successful unallocation: `{}`. [seen 361 times]"""
    if body != {}:
        raise ValueError("an empty object was expected")


def _organization(value: object) -> Organization:
    fields = as_object(value)
    return Organization(
        id=required(fields["id"]),
        name=text(fields.get("name")),
        sub_domain=text(fields.get("sub_domain")),
    )


def _virtual_machine(value: object) -> VirtualMachine:
    """What a list and a single answer have in common; nothing else of the answer is kept."""
    fields = as_object(value)
    zone = fields.get("zone")
    return VirtualMachine(
        id=required(fields["id"]),
        name=text(fields.get("name")) or text(fields.get("hostname")),
        fqdn=_optional(fields.get("fqdn")),
        zone=_optional(zone.get("name")) if isinstance(zone, dict) else None,
    )


def _ip_address(value: object) -> IPAddress:
    fields = as_object(value)
    network = fields.get("network")
    return IPAddress(
        id=required(fields["id"]),
        address=required(fields["address"]),
        reverse_dns=_optional(fields.get("reverse_dns")),
        vip=fields.get("vip") is True,
        allocation=_allocation(fields),
        label=_optional(fields.get("label")),
        network=_optional(network.get("name")) if isinstance(network, dict) else None,
        address_with_mask=_optional(fields.get("address_with_mask")),
    )


def _optional(value: object) -> str | None:
    return None if value is None else text(value) or None


def _allocation(fields: JsonObject) -> Allocation | None:
    """The resource that the address is allocated to, from `allocation_id` and `allocation_type`
    and from the `allocation` of a single read: `{type, value: {id, name}}` [seen] or `{id, name}`
    [doc].

    None only where the answer says that there is no allocation: outcomes depend on it.
    """
    given = fields.get("allocation")
    if given is None and "allocation_id" in fields:
        # Each address of a list.
        id, kind = _optional(fields["allocation_id"]), _optional(fields.get("allocation_type"))
        return Allocation.of(id, kind)
    if not fields.keys() & {"allocation", "allocation_id", "allocation_type"}:
        raise KeyError("allocation")
    outer = given if isinstance(given, dict) else {}
    inner = outer["value"] if isinstance(outer.get("value"), dict) else outer
    id = _optional(fields.get("allocation_id")) or _optional(inner.get("id"))
    kind = _optional(fields.get("allocation_type")) or _optional(outer.get("type"))
    name = _optional(inner.get("name"))
    if found := Allocation.of(id, kind, name):
        return found
    if any(inner.values()) or (given and not outer):
        raise ValueError("an allocation without id, type and name")
    return None
