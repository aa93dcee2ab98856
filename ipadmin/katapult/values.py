"""Values in JSON of unknown content, made safe to store: no lone surrogates, no NUL, limited in
length, number and depth."""

from __future__ import annotations

import json
from typing import TypeAlias

JsonObject: TypeAlias = dict[str, object]

# Far longer than anything seen; a hostile answer must not fill the audit log.
MAX_ID_LENGTH = 64
MAX_TEXT_LENGTH = 1000
MAX_ITEMS = 50
MAX_DEPTH = 4


def as_object(value: object) -> JsonObject:
    """A JSON object. Raises TypeError for anything else."""
    if not isinstance(value, dict):
        raise TypeError("an object was expected")
    return value


def as_list(value: object) -> list[object]:
    """A JSON array. Raises TypeError for anything else."""
    if not isinstance(value, list):
        raise TypeError("a list was expected")
    return value


def text(value: object) -> str:
    """Any value as text that a database can store; empty for null."""
    if value is None:
        return ""
    if isinstance(value, (dict, list)):
        value = json.dumps(clean(value), ensure_ascii=False)
    whole = str(value)[:MAX_TEXT_LENGTH].encode("utf-8", "replace").decode()
    return whole.replace("\x00", "\N{REPLACEMENT CHARACTER}")


def optional(value: object) -> str | None:
    return text(value) or None


def required(value: object) -> str:
    """An id or an address, unchanged: a changed one would name something else. Raises ValueError
    for what is neither, or cannot be stored unchanged."""
    if not isinstance(value, str) or not value.strip() or len(value) > MAX_ID_LENGTH:
        raise ValueError("an id or an address was expected")
    if text(value) != value:
        raise ValueError("an id or an address that cannot be stored")
    return value


def clean(value: object, depth: int = 0) -> object:
    """A JSON value limited in depth, length and number of items."""
    if isinstance(value, (dict, list)) and depth >= MAX_DEPTH:
        return "…"
    if isinstance(value, dict):
        items = list(value.items())[:MAX_ITEMS]
        return {text(key)[:100]: clean(each, depth + 1) for key, each in items}
    if isinstance(value, list):
        return [clean(each, depth + 1) for each in value[:MAX_ITEMS]]
    # JSON columns and browsers cannot represent larger numbers exactly: they become text.
    is_large = isinstance(value, (int, float)) and not abs(value) <= 2**53
    return text(value) if isinstance(value, str) or is_large else value


def count(value: object) -> int | None:
    """A whole number that is not negative, from a header or from JSON; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        return None
    digits = str(value).strip()
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 9 else None
