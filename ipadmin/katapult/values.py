"""Values of unknown content, made safe to store: without the API token, without lone surrogates and
NUL, limited in length, number and depth."""

from __future__ import annotations

import html
import json
from typing import TypeAlias
from urllib.parse import quote

from ipadmin.katapult.types import Secret

JsonObject: TypeAlias = dict[str, object]

# Far longer than anything seen; a hostile answer must not fill the audit log.
MAX_ID_LENGTH = 64
MAX_TEXT_LENGTH = 1000
MAX_ITEMS = 50
MAX_DEPTH = 4
# Characters. A shorter text is no secret, and can occur by chance.
MIN_TOKEN_LENGTH = 12


class Redaction:
    """Replaces a token, as it is and as escaped for JSON, URLs or HTML, by `[token]`. The token is
    ASCII."""

    def __init__(self, token: Secret) -> None:
        text = token.reveal()
        forms = {text, json.dumps(text)[1:-1], quote(text, safe=""), html.escape(text)}
        is_secret = len(text) >= MIN_TOKEN_LENGTH
        # The longest first: it can contain a shorter one.
        self._forms = sorted(forms, key=len, reverse=True) if is_secret else []

    def text(self, text: str) -> str:
        for form in self._forms:
            text = text.replace(form, "[token]")
        return text

    def content(self, content: bytes) -> bytes:
        """The bytes of an answer, before they are parsed: an error quotes what it cannot parse."""
        return self.text(content.decode("latin-1")).encode("latin-1")

    def is_needless(self, content: str) -> bool:
        """Whether no string of this JSON can be, or contain, the token: without a backslash, the
        strings are in the JSON as they are."""
        return "\\" not in content and not any(form in content for form in self._forms)

    def value(self, value: object) -> object:
        """A JSON value, keys included. Raises RecursionError for one that is nested too deeply."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(each) for each in value]
        if isinstance(value, dict):
            return {self.text(key): self.value(each) for key, each in value.items()}
        return value


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
    # What nearly every value is: nothing below would change it.
    if type(value) is str and value.isascii() and len(value) <= MAX_TEXT_LENGTH:
        return value.replace("\x00", "\N{REPLACEMENT CHARACTER}")
    if isinstance(value, (dict, list)):
        value = json.dumps(clean(value), ensure_ascii=False)
    whole = str(value)[:MAX_TEXT_LENGTH].encode("utf-8", "replace").decode()
    return whole.replace("\x00", "\N{REPLACEMENT CHARACTER}")


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
    digits = str(value).strip()
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 9 else None
