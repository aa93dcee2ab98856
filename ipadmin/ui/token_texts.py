"""Sentences about an API token."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import reverse

from ipadmin.models import ApiToken
from ipadmin.services.tokens import Findings
from ipadmin.ui.components import Linked, Notice

# The names of URLs.
REPLACE, CHOOSE, LIST = "token_replace", "token_organization", "addresses"


@dataclass(frozen=True, slots=True)
class TokenState:
    """State of a token. `step` is what to do with it next; `is_code`: show `detail` as code."""

    tone: str
    text: str
    detail: str
    step: Linked
    is_urgent: bool = False
    is_code: bool = False


def state(token: ApiToken) -> TokenState:
    if not token.opens:
        step = _step(token, REPLACE, "Enter again")
        return TokenState("danger", "Enter this token again", "It can't be decrypted", step)
    if not token.is_ready:
        step = _step(token, CHOOSE, "Choose organization")
        return TokenState("warning", "No organization", "", step, is_urgent=True)
    return _state_of_ready(token, _step(token, LIST, "Addresses"))


def _state_of_ready(token: ApiToken, step: Linked) -> TokenState:
    if token.missing_scopes:
        scopes = ", ".join(token.missing_scopes)
        return TokenState("warning", "Scope missing", scopes, step, is_code=True)
    if code := token.last_error_code:
        return TokenState("warning", "Error since last check", code, step, is_code=True)
    if token.can_list is None:
        return TokenState("neutral", "Not checked", "", step)
    if not token.can_list:
        return TokenState("warning", "Can't list addresses", "Can look up single addresses", step)
    return TokenState("success", "Working", "", step)


def _step(token: ApiToken, url: str, text: str) -> Linked:
    return Linked(text, reverse(url, args=[token.id]))


def check_result(findings: Findings) -> Notice:
    """What a check found."""
    lines = []
    title = "The token works"
    if findings.can_list is False:
        title = "The token works, but can't list addresses"
        lines.append("It can't list addresses. You can still look up an address or ID.")
    elif findings.can_list:
        lines.append("It can list the organization's addresses.")
    if findings.missing_scopes:
        title = "The token works, but a scope is missing"
        scopes = ", ".join(findings.missing_scopes)
        lines.insert(0, f"Missing scope: {scopes}. Add it to the token in Katapult.")
    if findings.organizations:
        names = (each.name or each.sub_domain for each in findings.organizations)
        lines.append(f"It can access {', '.join(names)}.")
    works = not findings.missing_scopes and findings.can_list is not False
    return Notice("success" if works else "warning", title, tuple(lines))


def no_organizations(token: ApiToken) -> Notice:
    """Why there is no organization to choose from."""
    if any(scope.startswith("organizations") for scope in token.missing_scopes):
        text = (
            "It lacks the scope organizations:read. Enter the sub-domain instead: the first part "
            "of your organization's address in Katapult."
        )
        return Notice("info", "This token can't list organizations", (text,))
    return Notice("warning", "Katapult lists no organization for this token")


def added(token: ApiToken) -> str:
    return f"Token “{token.label}” was added."


def connected(token: ApiToken) -> str:
    return f"“{token.label}” is now connected to {token.organization_title}."


def renamed(token: ApiToken) -> str:
    return f"The token is now called “{token.label}”."


def replaced(token: ApiToken) -> str:
    return f"The secret of “{token.label}” was replaced."


def deleted(token: ApiToken) -> str:
    return f"Token “{token.label}” was deleted. Its history is kept."


def wrong_organization(token: ApiToken) -> str:
    """Of a new secret that can't access the token's organization."""
    return (
        f"This token can't access {token.organization_title}, the organization of "
        f"“{token.label}”. Add it as a new token instead."
    )


def replace_lead(token: ApiToken) -> str:
    organization = f" in {token.organization_title}" if token.is_ready else ""
    return (
        f"Enter a new secret for “{token.label}”{organization}. The old one is kept until the new "
        "one was checked."
    )


def delete_lead(token: ApiToken) -> str:
    organization = f" for {token.organization_title}" if token.is_ready else ""
    return (
        f"Removes this token{organization} from IP admin. It keeps working in Katapult. To use it "
        "here again, you have to paste it again."
    )
