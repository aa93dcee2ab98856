"""The list of addresses, as its page shows it."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from ipadmin.models import ApiToken
from tests.page import Page, one
from tests.services.katapult import OTHER_VM
from tests.views.katapult import Organizations, listed

# Reads the list first, as browsers without JavaScript do.
WAIT = "wait=1"


@pytest.fixture
def url(token: ApiToken) -> str:
    return reverse("addresses", args=[token.id])


@pytest.fixture
def waiting(url: str) -> str:
    """The URL that reads the list first; a query can be appended."""
    return f"{url}?{WAIT}"


def shown(answer: Any) -> list[str]:
    """The addresses of the rows, in order."""
    rows = Page(answer).all('tr[id^="row-"]')
    return [one(row, "th [data-copy]").attributes["data-copy"] or "" for row in rows]


def counts(answer: Any) -> list[int]:
    """Of the tabs: all, allocated, unallocated."""
    return [int(count) for count in Page(answer).texts("nav.tabs .count")]


@pytest.fixture
def few(katapult: Organizations) -> Organizations:
    """Some of each kind, in no order."""
    katapult.listed = [
        listed(20, None, reverse_dns="192-0-2-20.rdns.katapult.io"),
        listed(3, reverse_dns="Zebra.example.net", vip=True),
        listed(9, OTHER_VM, address="2001:db8::9", reverse_dns=None),
        listed(100, "lb_1", allocation_type="LoadBalancer", reverse_dns="apple.example.net"),
    ]
    return katapult
