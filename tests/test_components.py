"""The components in templates/ipadmin/components."""

from __future__ import annotations

from typing import Any

from django.template import engines
from django_cotton.compiler_regex import CottonCompiler
from selectolax.lexbor import LexborHTMLParser

HOSTILE = "<b>\"x'"


def render(source: str, **context: Any) -> LexborHTMLParser:
    compiled = CottonCompiler().process(source)  # type: ignore[no-untyped-call]
    template = engines["django"].from_string(compiled)
    return LexborHTMLParser(template.render(context))


def test_attributes_are_escaped() -> None:
    page = render(
        '<c-card title="{{ x }}" id="{{ x }}"><c-fact label="{{ x }}" :value="x" copy /></c-card>',
        x=HOSTILE,
    )
    assert not page.css("b")
    section, heading, label = page.css("section")[0], page.css("h2")[0], page.css("dt")[0]
    assert (section.attributes["id"], heading.text(), label.text()) == (HOSTILE,) * 3
    assert page.css("[data-copy]")[0].attributes["data-copy"] == HOSTILE


def test_a_component_does_not_see_the_variables_of_the_page() -> None:
    assert not render("<c-notice>text</c-notice>", title="of the page").css(".note-title")


def test_an_empty_fact_says_so() -> None:
    page = render('<c-fact label="Label" :value="x.missing" none="Not reported" />', x={})
    assert page.css("dd .quiet")[0].text() == "Not reported"


def test_a_button_is_a_link_with_href_and_a_button_without() -> None:
    page = render('<c-button href="/a">A</c-button><c-button busy="Wait…">B</c-button>')
    assert page.css("a.button")[0].attributes["href"] == "/a"
    assert page.css("button")[0].attributes["type"] == "button"
    assert page.css("button .when-busy")[0].text(strip=True) == "Wait…"


def test_icons_are_hidden_from_screen_readers() -> None:
    page = render('<c-empty icon="search" title="Nothing" /><c-crumbs href="/" label="Home" />')
    assert [svg.attributes["aria-hidden"] for svg in page.css("svg")] == ["true", "true"]
