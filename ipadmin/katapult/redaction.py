"""Removal of the API token from answers that contain it."""

from __future__ import annotations

import html
import json
from urllib.parse import quote

from ipadmin.katapult.types import Secret

REPLACEMENT = "[token]"
# Characters. A shorter text is no secret, and can occur by chance.
MIN_LENGTH = 12


class Redaction:
    """Replaces one token in texts and JSON values: as it is, and as escaped for JSON, URLs or
    HTML."""

    def __init__(self, token: Secret) -> None:
        text = token.reveal()
        forms = {text, json.dumps(text)[1:-1], _quoted(text), html.escape(text)}
        # The longest first: it can contain a shorter one.
        is_secret = len(text) >= MIN_LENGTH
        self._forms = sorted(forms, key=len, reverse=True) if is_secret else []

    def __repr__(self) -> str:
        return "Redaction(••••)"

    def text(self, text: str) -> str:
        for form in self._forms:
            text = text.replace(form, REPLACEMENT)
        return text

    def content(self, content: bytes) -> bytes:
        """The bytes of an answer, before they are parsed."""
        for form in self._forms:
            content = content.replace(form.encode("utf-8", "surrogatepass"), REPLACEMENT.encode())
        return content

    def value(self, value: object) -> object:
        """A JSON value, keys included. Raises RecursionError for one that is nested too deeply."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(each) for each in value]
        if isinstance(value, dict):
            return {self.text(key): self.value(each) for key, each in value.items()}
        return value


def _quoted(text: str) -> str:
    return quote(text, safe="", errors="surrogatepass")
