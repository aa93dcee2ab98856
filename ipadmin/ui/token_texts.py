"""Sentences about an API token. The constants are formatted with the token."""

from __future__ import annotations

from typing import NamedTuple

from django.urls import reverse

from ipadmin.models import ApiToken
from ipadmin.services.tokens import Findings
from ipadmin.ui.components import Linked, Notice

ADDED = "Token “{0.label}” was added."
CONNECTED = "“{0.label}” is now connected to {0.organization_title}."
RENAMED = "The token is now called “{0.label}”."
REPLACED = "The secret of “{0.label}” was replaced."
DELETED = "Token “{0.label}” was deleted. Its history is kept."
# Of a new secret that can't access the token's organization.
WRONG_ORGANIZATION = (
    "This token can't access {0.organization_title}, the organization of “{0.label}”. Add it as a "
    "new token instead."
)


class TokenState(NamedTuple):
    """State of a token. `step` is what to do with it next."""

    tone: str
    text: str
    detail: str
    step: Linked


def state(token: ApiToken) -> TokenState:
    if not token.opens:
        step = Linked("Enter again", reverse("token_replace", args=[token.id]))
        return TokenState("danger", "Enter this token again", "It can't be decrypted", step)
    if not token.is_ready:
        step = Linked("Choose organization", reverse("token_organization", args=[token.id]))
        return TokenState("warning", "No organization", "", step)
    tone, text, detail = "warning", "", ""
    if token.missing_scopes:
        text, detail = "Scope missing", ", ".join(token.missing_scopes)
    elif token.last_error_code:
        text, detail = "Error since last check", token.last_error_code
    elif token.can_list is None:
        tone, text = "neutral", "Not checked"
    elif not token.can_list:
        text, detail = "Can't list addresses", "Can look up single addresses"
    else:
        tone, text = "success", "Working"
    step = Linked("Addresses", reverse("addresses", args=[token.id]))
    return TokenState(tone, text, detail, step)


def check_result(findings: Findings) -> Notice:
    """What a check found."""
    tone, title, lines = "success", "The token works", []
    if findings.can_list is False:
        tone, title = "warning", "The token works, but can't list addresses"
        lines.append("It can't list addresses. You can still look up an address or ID.")
    elif findings.can_list:
        lines.append("It can list the organization's addresses.")
    if findings.missing_scopes:
        tone, title = "warning", "The token works, but a scope is missing"
        scopes = ", ".join(findings.missing_scopes)
        lines.insert(0, f"Missing scope: {scopes}. Add it to the token in Katapult.")
    if findings.organizations:
        names = (each.name or each.sub_domain for each in findings.organizations)
        lines.append(f"It can access {', '.join(names)}.")
    return Notice(tone, title, tuple(lines))


def no_organizations(token: ApiToken) -> Notice:
    """Why there is no organization to choose from."""
    if any(scope.startswith("organizations") for scope in token.missing_scopes):
        text = (
            "It lacks the scope organizations:read. Enter the sub-domain instead: the first part "
            "of your organization's address in Katapult."
        )
        return Notice("info", "This token can't list organizations", (text,))
    return Notice("warning", "Katapult lists no organization for this token")
