"""The forms of an HTML page."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass(slots=True)
class Form:
    """The URL of a form, with and without htmx, and the values of its fields."""

    action: str
    hx_post: str
    fields: dict[str, str] = field(default_factory=dict)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.is_inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            action = given.get("action", "")
            self.forms.append(Form(action, given.get("hx-post", action)))
            self.is_inside = True
        elif tag == "input" and self.is_inside and "name" in given:
            self.forms[-1].fields[given["name"]] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.is_inside = False


def find_form(page: str, name: str) -> Form | None:
    """The first form that has a field of this name."""
    reader = _Reader()
    reader.feed(page)
    return next((form for form in reader.forms if name in form.fields), None)
