"""Confirmations that are refused: forged, of something else, or expired."""

# ruff: noqa: PLR0917

from __future__ import annotations

from typing import Any

import pytest
from django.core import signing
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from ipadmin.models import ApiToken, AuditEntry, User
from ipadmin.services.confirmation import SALT
from tests.conftest import ClientOf
from tests.services.katapult import ADDRESS, IP
from tests.views.confirming import (
    act,
    ask,
    confirmation_of,
    url,
    with_and_without_htmx,
)
from tests.views.conftest import HTMX
from tests.views.katapult import HOSTILE, Organizations

__all__ = ["url"]


def forged(confirmation: str, **changes: Any) -> str:
    """A confirmation that shows something else, signed as ours are."""
    data = signing.loads(confirmation, salt=SALT)
    return signing.dumps(data | changes, salt=SALT, compress=True)


@pytest.mark.parametrize(
    ("sent", "htmx"),
    [
        ("", True),
        ("", False),
        ("a:b:c", True),
        ("\x00", True),
        (HOSTILE, True),
        ("x" * 30_000, True),
    ],
)
def test_a_missing_or_foreign_confirmation_is_refused(
    alices: Client, url: str, katapult: Organizations, sent: str, htmx: bool
) -> None:
    answer = alices.post(url, {"confirmation": sent}, headers=HTMX if htmx else {})
    assert answer.status_code == 422
    assert "This confirmation is not valid" in answer.text
    assert confirmation_of(answer)
    assert (katapult.sent, AuditEntry.objects.count()) == ([], 0)


def test_a_tampered_confirmation_is_refused(
    alices: Client, url: str, katapult: Organizations
) -> None:
    confirmation = ask(alices, url)
    tampered = confirmation[:10] + ("A" if confirmation[10] != "A" else "B") + confirmation[11:]
    assert alices.post(url, {"confirmation": tampered}).status_code == 422
    assert (katapult.sent, AuditEntry.objects.count()) == ([], 0)


def test_a_confirmation_for_another_api_is_refused(
    alices: Client, url: str, katapult: Organizations, settings: Settings
) -> None:
    confirmation = ask(alices, url)
    settings.KATAPULT_API_URL = "https://api.katapult.io"
    assert alices.post(url, {"confirmation": confirmation}).status_code == 422
    assert katapult.sent == []


def test_a_confirmation_for_another_address_is_refused(
    alices: Client, token: ApiToken, url: str, katapult: Organizations
) -> None:
    other = reverse("unallocate", args=[token.id, "ip_0000000000000008"])
    assert alices.post(other, {"confirmation": ask(alices, url)}).status_code == 422
    assert (katapult.sent, AuditEntry.objects.count()) == ([], 0)


def test_a_confirmation_of_another_user_is_refused(
    alices: Client,
    url: str,
    bob: User,
    bobs_token: ApiToken,
    client_of: ClientOf,
    katapult: Organizations,
) -> None:
    bobs = reverse("unallocate", args=[bobs_token.id, IP])
    answer = client_of(bob).post(bobs, {"confirmation": ask(alices, url)})
    assert answer.status_code == 422
    assert (katapult.sent, AuditEntry.objects.count()) == ([], 0)


def test_a_confirmation_with_a_replaced_token_is_refused(
    alices: Client, url: str, token: ApiToken, katapult: Organizations
) -> None:
    confirmation = ask(alices, url)
    token.fingerprint = "fedcba9876543210"
    token.save()
    assert alices.post(url, {"confirmation": confirmation}).status_code == 422
    assert katapult.sent == []


@with_and_without_htmx
def test_an_expired_confirmation_is_refused(
    alices: Client, url: str, katapult: Organizations, settings: Settings, htmx: bool
) -> None:
    confirmation = ask(alices, url)
    settings.CONFIRMATION_MAX_AGE = -1
    answer = alices.post(url, {"confirmation": confirmation}, headers=HTMX if htmx else {})
    assert answer.status_code == 422
    assert "has expired" in answer.text
    assert confirmation_of(answer) != confirmation
    assert (katapult.sent, AuditEntry.objects.count()) == ([], 0)


def test_a_form_with_a_mistake_keeps_its_time_limit(
    alices: Client, url: str, katapult: Organizations, settings: Settings
) -> None:
    katapult.more = {"vip": True}
    confirmation = confirmation_of(act(alices, url, typed_address="wrong"))
    settings.CONFIRMATION_MAX_AGE = -1
    answer = alices.post(url, {"confirmation": confirmation, "typed_address": ADDRESS})
    assert "has expired" in answer.text
