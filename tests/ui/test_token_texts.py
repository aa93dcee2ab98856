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


MAY = {"can_list": True, "can_unallocate": True, "can_list_machines": True}


@pytest.mark.parametrize(
    ("fields", "text", "detail", "step", "page"),
    [
        (MAY, "Working", "", "Addresses", "addresses"),
        (
            MAY | {"can_unallocate": False, "missing_scopes": ["ip_addresses"]},
            "Read-only",
            "Can't unallocate: scope ip_addresses is missing",
            "Replace token",
            "token_replace",
        ),
        (
            MAY | {"can_unallocate": False},
            "Read-only",
            "Can't unallocate: no permission",
            "Replace token",
            "token_replace",
        ),
        (
            MAY | {"can_list_machines": False, "missing_scopes": ["virtual_machines:read"]},
            "Limited",
            "Can't show names of machines: scope virtual_machines:read is missing",
            "Check again",
            "token_check",
        ),
        (
            {"can_list": False, "can_unallocate": False, "missing_scopes": ["ip_addresses:read"]},
            "Limited",
            (
                "Can't list addresses: scope ip_addresses:read is missing. "
                "Can't unallocate: no permission"
            ),
            "Check again",
            "token_check",
        ),
        (
            MAY | {"last_error_code": "invalid_api_token"},
            "Rejected by Katapult",
            "Katapult does not accept this token",
            "Replace token",
            "token_replace",
        ),
        (
            MAY | {"last_error_code": "unauthorized_network_for_api_token"},
            "Rejected by Katapult",
            "This token can't be used from this network",
            "Check again",
            "token_check",
        ),
        (
            MAY | {"last_error_code": "organization_suspended"},
            "Rejected by Katapult",
            "The organization is suspended",
            "Check again",
            "token_check",
        ),
        # An error of one call says nothing about the token.
        (MAY | {"last_error_code": "answer_lost"}, "Working", "", "Addresses", "addresses"),
        (
            {"organization_id": "", "last_error_code": "organization_not_found"},
            "Choose organization",
            "",
            "Choose organization",
            "token_organization",
        ),
        (
            {"encrypted_secret": b"something else"},
            "Enter again",
            "It can't be decrypted",
            "Enter again",
            "token_replace",
        ),
        ({}, "Not checked", "", "Check now", "token_check"),
    ],
)
def test_each_state_has_a_button_for_the_next_step(
    fields: dict[str, Any], text: str, detail: str, step: str, page: str
) -> None:
    made = token()
    for name, value in fields.items():
        setattr(made, name, value)
    state = token_texts.state(made)
    assert (state.text, state.detail, state.step.text) == (text, detail, step)
    assert state.step.url == reverse(page, args=[made.id])
    assert state.step.is_post == (page == "token_check")


@pytest.mark.parametrize(
    ("fields", "title", "line"),
    [
        (MAY, "The token works", "It can access Acme."),
        (MAY, "The token works", "It can list the organization's addresses and unallocate them."),
        (
            MAY | {"can_unallocate": False, "missing_scopes": ["ip_addresses"]},
            "The token works in part",
            "Can't unallocate: scope ip_addresses is missing.",
        ),
        (
            MAY | {"can_unallocate": False, "missing_scopes": ["ip_addresses"]},
            "The token works in part",
            "Add the scope to the token in Katapult, then check again.",
        ),
    ],
)
def test_check_result(fields: dict[str, Any], title: str, line: str) -> None:
    shown = token_texts.check_result(token(**fields), Findings((ACME,), True, ()))
    assert shown.title == title
    assert line in shown.lines


def test_only_a_read_only_token_is_said_to_be_so() -> None:
    assert token_texts.read_only(token(can_unallocate=False)).startswith("This token is read-only")
    assert token_texts.read_only(token(can_unallocate=True)) == ""
    assert token_texts.read_only(token()) == ""


def test_a_connected_token_names_its_organization() -> None:
    assert token_texts.CONNECTED.format(token()) == "“Main” is now connected to Acme."
