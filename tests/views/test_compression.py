"""Pages are compressed, with Django's protection against BREACH; the list as it is read is not."""

from __future__ import annotations

import gzip
import re

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from ipadmin.models import ApiToken
from tests.views.katapult import Organizations

GZIP = {"Accept-Encoding": "gzip, deflate, br"}
pytestmark = pytest.mark.django_db


def csrf_tokens(client: Client) -> list[str]:
    answer = client.get("/search/", headers=GZIP)
    assert answer["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in answer["Vary"]
    html = gzip.decompress(answer.content).decode()
    return re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', html)


def test_a_compressed_page_masks_its_csrf_tokens(alices: Client) -> None:
    first, second = csrf_tokens(alices), csrf_tokens(alices)
    assert first
    assert not set(first) & set(second)
    cookie = alices.cookies[settings.CSRF_COOKIE_NAME].value
    assert cookie not in first + second


def test_compressed_pages_differ_in_length(alices: Client) -> None:
    """Random bytes, so that lengths do not reveal what a page repeats of a request."""
    lengths = {len(alices.get("/search/", headers=GZIP).content) for _ in range(8)}
    assert len(lengths) > 1


def test_the_list_as_it_is_read_is_not_compressed(
    alices: Client, token: ApiToken, katapult: Organizations
) -> None:
    answer = alices.get(reverse("addresses_read", args=[token.id]), headers=GZIP)
    assert answer.streaming
    assert answer["Content-Encoding"] == "identity"
    assert b"<table" in answer.getvalue()
