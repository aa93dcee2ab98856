"""What a visit loads over the wire, compressed: the whole page at first, then only HTML."""

# Pytest passes them by name.
# ruff: noqa: PLR0917
from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import Group
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import reverse

from ipadmin.models import ApiToken, User
from ipadmin.services import inventory
from tests.page import Page
from tests.views.conftest import MakeEntry
from tests.views.katapult import Organizations, many

KIBIBYTE = 1024
GZIP = {"Accept-Encoding": "gzip"}
pytestmark = pytest.mark.django_db


def static_files(page: Page) -> set[str]:
    urls = page.values("src") + page.values("href", "head")
    prefix = f"/{settings.STATIC_URL.strip('/')}/"
    return {url.removeprefix(prefix) for url in urls if url.startswith(prefix)}


def compressed(name: str) -> int:
    path = finders.find(name)
    assert isinstance(path, str), name
    return len(gzip.compress(Path(path).read_bytes(), 9))


@pytest.mark.parametrize("name", ["addresses", "audit", "tokens", "search", "account_login"])
def test_the_weight_of_a_visit(
    alice: User,
    alices: Client,
    client: Client,
    token: ApiToken,
    katapult: Organizations,
    entry: MakeEntry,
    name: str,
) -> None:
    """With full lists: 50 addresses and 50 entries."""
    alice.groups.add(Group.objects.get(name="auditor"))
    katapult.listed = many(200)
    inventory.read(token)
    for number in range(50):
        entry(reason=f"Replaced by a new one, OPS-{number * 97}", user_name=f"person-{number}")
    url = reverse(name, args=[token.id] if name == "addresses" else [])
    answer = (client if name == "account_login" else alices).get(url, headers=GZIP)
    html = len(answer.content)
    files = sum(map(compressed, static_files(Page(gzip.decompress(answer.content).decode()))))
    assert html <= 20 * KIBIBYTE
    assert html + files <= 70 * KIBIBYTE
