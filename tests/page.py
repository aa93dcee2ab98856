"""A page as a test reads it: parsed, so that no test depends on how its markup is written."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from selectolax.lexbor import LexborHTMLParser, LexborNode

INVISIBLE = ["script", "style", "template"]
# Inputs that a browser submits only if they are checked, or never by themselves.
CHECKED = {"checkbox", "radio"}
BUTTONS = {"submit", "button", "image", "reset"}


def text_of(node: LexborNode) -> str:
    """The text of an element, with single spaces; `<wbr>` adds none."""
    return " ".join(node.text().split())


def one(node: LexborNode, selector: str) -> LexborNode:
    """The only element within this one that matches."""
    found = node.css(selector)
    assert len(found) == 1, f"{len(found)} elements match {selector}"
    return found[0]


class Page:
    """A whole page or a part of one, from a response of Django's test client or from HTML.

    Contents of `<template>` are no part of it. A part that begins with `<tr>` is read as rows of
    a table, as htmx does.
    """

    def __init__(self, answer: Any) -> None:
        html: str = getattr(answer, "text", answer)
        if html.lstrip().startswith("<tr"):
            html = f"<table><tbody>{html}</tbody></table>"
        self.html = html
        self.tree = LexborHTMLParser(html)

    @property
    def text(self) -> str:
        """Everything that is shown, without markup."""
        shown = LexborHTMLParser(self.html)
        shown.strip_tags(INVISIBLE)
        return text_of(shown.body) if shown.body else ""

    def all(self, selector: str) -> list[LexborNode]:
        return self.tree.css(selector)

    def one(self, selector: str) -> LexborNode:
        """The only element that matches."""
        assert self.tree.root
        return one(self.tree.root, selector)

    def texts(self, selector: str) -> list[str]:
        return [text_of(node) for node in self.all(selector)]

    def values(self, attribute: str, within: str = "") -> list[str]:
        """The values of an attribute, in order: `values("data-copy", "tbody")`."""
        nodes = self.all(f"{within} [{attribute}]")
        return [node.attributes[attribute] or "" for node in nodes]

    @property
    def ids(self) -> list[str]:
        return self.values("id")

    @property
    def buttons(self) -> list[str]:
        return self.texts("button")

    @property
    def rows(self) -> list[str]:
        """The text of each row in the body of a table."""
        return self.texts("tbody tr")

    @property
    def notices(self) -> list[str]:
        """What is announced: messages, problems and their explanations."""
        return self.texts('[role="alert"], [role="status"]')

    @property
    def links(self) -> dict[str, str]:
        """The URL behind each text; of the last one where several have the same text."""
        return {text_of(node): node.attributes["href"] or "" for node in self.all("a[href]")}

    def link(self, rel: str) -> str:
        """The URL of the link with this `rel`, or nothing."""
        found = self.all(f'a[rel~="{rel}"]')
        return (found[0].attributes["href"] or "") if found else ""

    def form(self, field: str) -> dict[str, list[str]]:
        """What a browser sends of the form that has this field: the values by name."""
        forms = [each for each in self.all("form") if each.css(f'[name="{field}"]')]
        assert len(forms) == 1, f"{len(forms)} forms have a field {field}"
        sent: dict[str, list[str]] = defaultdict(list)
        for node in forms[0].css("input[name], select[name], textarea[name]"):
            sent[node.attributes["name"] or ""] += _values(node)
        return {name: values for name, values in sent.items() if values}

    def confirmation(self) -> str:
        """The signed confirmation in the form that unallocates."""
        [value] = self.form("confirmation")["confirmation"]
        return value


def _values(node: LexborNode) -> list[str]:
    """What a browser sends of one field."""
    kind, attributes = node.attributes.get("type"), node.attributes
    if node.tag == "textarea":
        return [node.text().removeprefix("\n")]
    if node.tag == "select":
        options = node.css("option")
        chosen = [each for each in options if "selected" in each.attributes]
        if "multiple" not in attributes:
            chosen = chosen[-1:] if chosen else options[:1]
        return [each.attributes.get("value") or "" for each in chosen]
    if kind in BUTTONS or (kind in CHECKED and "checked" not in attributes):
        return []
    return [attributes.get("value") or ("on" if kind in CHECKED else "")]
