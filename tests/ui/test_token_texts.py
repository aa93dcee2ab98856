"""Sentences about API tokens."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from ipadmin.katapult.types import Organization, Secret
from ipadmin.models import ApiToken
from ipadmin.services.tokens import Findings
from ipadmin.ui import token_texts

ACME = Organization("org_1", "Acme", "acme")


def token(**more: Any) -> ApiToken:
    fields = {"label": "Main", "organization_name": "Acme", "organization_id": "org_1"} | more
    made = ApiToken(owner_id=1, **fields)
    made.encrypt_secret(Secret("a-secret-of-a-token"))
    return made


@pytest.mark.parametrize(
    ("fields", "text", "url"),
    [
        ({"can_list": True}, "Working", "addresses"),
        ({}, "Not checked", "addresses"),
        ({"can_list": False}, "Can't list addresses", "addresses"),
        ({"missing_scopes": ["ip_addresses"]}, "Scope missing", "addresses"),
        ({"last_error_code": "permission_denied"}, "Error since last check", "addresses"),
        ({"organization_id": ""}, "No organization", "token_organization"),
    ],
)
def test_state_says_the_next_step(fields: dict[str, Any], text: str, url: str) -> None:
    made = token(**fields)
    state = token_texts.state(made)
    assert (state.text, state.step.url) == (text, reverse(url, args=[made.id]))


def test_a_token_that_cannot_be_decrypted_is_to_be_entered_again() -> None:
    made = token()
    made.encrypted_secret = b"something else"
    state = token_texts.state(made)
    assert state.text == "Enter this token again"
    assert state.step.url == reverse("token_replace", args=[made.id])


@pytest.mark.parametrize(
    ("findings", "tone", "title", "line"),
    [
        (Findings((ACME,), True, ()), "success", "The token works", "It can access Acme."),
        (
            Findings((), True, ("a", "b")),
            "warning",
            "The token works, but a scope is missing",
            "Missing scope: a, b. Add it to the token in Katapult.",
        ),
        (
            Findings((), False, ()),
            "warning",
            "The token works, but can't list addresses",
            "It can't list addresses. You can still look up an address or ID.",
        ),
    ],
)
def test_check_result(findings: Findings, tone: str, title: str, line: str) -> None:
    shown = token_texts.check_result(findings)
    assert (shown.tone, shown.title) == (tone, title)
    assert line in shown.lines


def test_a_connected_token_names_its_organization() -> None:
    assert token_texts.CONNECTED.format(token()) == "“Main” is now connected to Acme."
