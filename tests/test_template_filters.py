"""How values are shown."""

from __future__ import annotations

import pytest

from ipadmin.templatetags.ipadmin import (
    breakable,
    default_host,
    highlight,
    kind,
    seconds,
    timestamp,
)


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("web-01.example.net", "web-01.<wbr>example.<wbr>net"),
        ("<b>.net", "&lt;b&gt;.<wbr>net"),
        ("localhost", "localhost"),
        (None, ""),
    ],
)
def test_a_host_name_breaks_after_its_dots(host: str | None, shown: str) -> None:
    assert breakable(host) == shown


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", "A&lt;b&gt;a"),
        ("a", "<mark>A</mark>&lt;b&gt;<mark>a</mark>"),
        ("<b>", "A<mark>&lt;b&gt;</mark>a"),
        (".*", "A&lt;b&gt;a"),
    ],
)
def test_what_was_searched_is_marked_and_all_is_escaped(query: str, shown: str) -> None:
    assert highlight("A<b>a", query) == shown


def test_the_default_host_of_an_address() -> None:
    assert default_host("192.0.2.7") == "192-0-2-7.rdns.katapult.io"
    assert default_host("2001:db8::7") == ""


@pytest.mark.parametrize(
    ("value", "shown"), [(None, ""), (0.0841, "84 ms"), (0.9994, "999 ms"), (1.419, "1.42 s")]
)
def test_a_duration(value: float | None, shown: str) -> None:
    assert seconds(value) == shown


def test_a_moment_as_text_is_read_and_anything_else_shown_as_it_is() -> None:
    text = timestamp("2026-11-23T12:00:00+02:00")
    assert "2026-11-23T10:00:00+00:00" in text
    assert "2026-11-23 10:00:00 UTC" in text
    assert timestamp("yesterday") == "yesterday"
    assert timestamp(None) == ""


def test_an_unknown_type_is_shown_as_it_is() -> None:
    assert kind("VirtualMachine") == "Virtual machine"
    assert kind("Teapot") == "Teapot"
    assert kind(None) == ""
