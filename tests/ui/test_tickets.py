"""Ticket keys in reasons become links."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from ipadmin.ui import tickets

LINK = '<a class="ticket" href="https://t.example/browse/{0}" rel="noreferrer">{0}</a>'


@pytest.fixture(autouse=True)
def _with_a_url(settings: Settings) -> None:
    settings.TICKET_URL = "https://t.example/browse/{key}"


def test_each_key_is_a_link_and_the_rest_is_escaped() -> None:
    html = tickets.linked("<b> OPS-4685, CHG-1")
    assert html == f"&lt;b&gt; {LINK.format('OPS-4685')}, {LINK.format('CHG-1')}"


def test_a_key_of_another_form_is_escaped(settings: Settings) -> None:
    settings.TICKET_PATTERN = r"#\S+"
    html = tickets.linked('see #1"><script>')
    assert 'href="https://t.example/browse/%231%22%3E%3Cscript%3E"' in html
    assert "<script" not in html


def test_a_key_that_is_cut_is_no_link() -> None:
    assert tickets.linked("moved, OPS-4685 now", 16) == f"moved, {LINK.format('OPS-4685')}…"
    assert tickets.linked("moved, OPS-4685 now", 13) == "moved, OPS-4…"


def test_without_a_url_there_are_no_links(settings: Settings) -> None:
    settings.TICKET_URL = ""
    assert tickets.linked("OPS-4685") == "OPS-4685"
