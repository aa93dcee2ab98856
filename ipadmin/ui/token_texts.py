"""Sentences about an API token. The constants are formatted with the token."""

from __future__ import annotations

from itertools import groupby
from typing import NamedTuple

from django.db.models import QuerySet
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ipadmin.models import ApiToken, InventorySnapshot
from ipadmin.services import budget
from ipadmin.services.tokens import REJECTED, REJECTED_ORGANIZATION, Findings
from ipadmin.ui.components import Notice
from ipadmin.ui.error_messages import WORDS
from ipadmin.ui.explanations import Explanation
from ipadmin.ui.markup import age
from ipadmin.ui.next_steps import Step, replace_step

ADDED = "Token “{0.label}” was added."
CONNECTED = "“{0.label}” is now connected to {0.organization_title}."
CONNECTED_AGAIN = "“{0.label}” is connected to Katapult again."
DENIED = "You did not allow access in Katapult. Nothing was changed."
NOT_CONNECTED = "Katapult did not connect this site: {}. Nothing was changed."
OTHER_SESSION = (
    "This connection was not begun in this session, or was completed already. Begin it again."
)
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
    step: Step


class Ability(NamedTuple):
    """What a check finds out: a field of the token, the scope that it needs, and in words what the
    token can do."""

    field: str
    scope: str
    verb: str


UNALLOCATE = Ability("can_unallocate", "ip_addresses", "unallocate")
ABILITIES = (
    Ability("can_list", "ip_addresses:read", "list addresses"),
    UNALLOCATE,
    Ability("can_list_machines", "virtual_machines:read", "show names of machines"),
)
READ_ONLY = "This token is read-only: it can't unallocate"


def state(token: ApiToken) -> TokenState:
    if unusable := _unusable(token):
        return unusable
    check = _step("Check again", "token_check", token)
    lacks = _lacks(token)
    if lacks == [UNALLOCATE]:
        detail = _without(UNALLOCATE, token)
        return TokenState("warning", "Read-only", detail, replace_step(token))
    if lacks:
        detail = ". ".join(_without(each, token) for each in lacks)
        return TokenState("warning", "Limited", detail, check)
    if token.can_list is None:
        return TokenState("neutral", "Not checked", "", check._replace(text="Check now"))
    return TokenState("success", "Working", through(token), _step("Addresses", "addresses", token))


def through(token: ApiToken) -> str:
    """How a token came here, if it was not pasted."""
    return "Connected through Katapult" if token.is_connection else ""


def not_connected(why: Explanation) -> str:
    parts = (f"{why.title}.", why.what_happened, why.changed, why.what_now)
    return " ".join(filter(None, parts))


class Management(NamedTuple):
    """What the page of a token says of its origin, and of replacing and deleting it."""

    through: str
    replace_title: str
    replace_text: str
    replace: Step
    delete_text: str
    undo_text: str


def management(token: ApiToken) -> Management:
    if token.is_connection:
        return Management(
            "Katapult's sign-in (OAuth2)",
            "Connect again",
            "Allows access in Katapult anew, for the same organization.",
            replace_step(token),
            "Removes the connection from IP admin, and revokes its access in Katapult, if Katapult "
            "permits that.",
            "To use it here again, you have to connect again.",
        )
    return Management(
        "Pasted",
        "Replace the secret",
        "Enter a new token of the same organization.",
        replace_step(token)._replace(text="Replace…"),
        "Removes this token from IP admin. It keeps working in Katapult.",
        "To use it here again, you have to paste it again.",
    )


def _unusable(token: ApiToken) -> TokenState | None:
    """The state of a token that can't be used at all."""
    code = token.last_error_code
    replace = replace_step(token)
    if token.must_connect_again:
        return TokenState("danger", "Connect again", "The connection has ended", replace)
    if not token.opens:
        step = replace if token.is_connection else replace._replace(text="Enter again")
        return TokenState("danger", step.text, "It can't be decrypted", step)
    if code in REJECTED or (token.is_ready and code in REJECTED_ORGANIZATION):
        is_lost = code in {"invalid_api_token", "invalid_capabilities_token"}
        step = replace if is_lost else _step("Check again", "token_check", token)
        return TokenState("danger", "Rejected by Katapult", WORDS[code].title, step)
    if not token.is_ready:
        step = _step("Choose organization", "token_organization", token)
        return TokenState("warning", "Choose organization", "", step)
    return None


def _step(text: str, page: str, token: ApiToken) -> Step:
    return Step(text, reverse(page, args=[token.id]), is_post=page == "token_check")


def _lacks(token: ApiToken) -> list[Ability]:
    return [each for each in ABILITIES if getattr(token, each.field) is False]


def _without(ability: Ability, token: ApiToken) -> str:
    """What does not work, and the scope that is missing, if it is the scope."""
    is_scope = ability.scope in token.missing_scopes
    why = f"scope {ability.scope} is missing" if is_scope else "no permission"
    return f"Can't {ability.verb}: {why}"


def read_only(token: ApiToken) -> str:
    """Why nothing can be unallocated with a token; empty if it can, or if that is not known."""
    return f"{READ_ONLY}. {_without(UNALLOCATE, token)}." if token.is_read_only else ""


def abilities(token: ApiToken) -> list[tuple[str, bool | None]]:
    """What the last check found that the token may do."""
    return [(each.verb.capitalize(), getattr(token, each.field)) for each in ABILITIES]


class Organization(NamedTuple):
    """An organization of the user with its tokens: (token, state, calls left this minute). `counts`
    says how many addresses it had when they were last read with one of them; `url` is their list.
    """

    title: str
    url: str
    counts: str
    tokens: list[tuple[ApiToken, TokenState, int | None]]


def overview(tokens: QuerySet[ApiToken]) -> list[Organization]:
    """The tokens of a user by organization, those without one first."""
    tokens = tokens.select_related("snapshot").defer("snapshot__content")
    ordered = sorted(tokens, key=lambda each: each.organization_title.lower())
    found = []
    for _, group in groupby(ordered, key=lambda each: each.organization_title):
        own = list(group)
        usable = next((each for each in own if _unusable(each) is None), None)
        url = reverse("addresses", args=[usable.id]) if usable else ""
        read = [each.snapshot for each in own if hasattr(each, "snapshot")]
        newest = max(read, key=lambda each: each.read_at, default=None)
        counts = _counts(newest) if newest else "Addresses not read yet" if url else ""
        rows = [(each, state(each), budget.remaining(each.fingerprint)) for each in own]
        found.append(Organization(own[0].organization_title, url, counts, rows))
    return found


def _counts(read: InventorySnapshot) -> SafeString:
    all_read = f"{read.address_count:,} address{'' if read.address_count == 1 else 'es'}"
    return format_html(
        "{}, {} allocated, read {}", all_read, f"{read.allocated_count:,}", age(read.read_at)
    )


def check_result(token: ApiToken, findings: Findings) -> Notice:
    """What a check found."""
    lacks = _lacks(token)
    lines = [f"{_without(each, token)}." for each in lacks]
    if any(each.scope in token.missing_scopes for each in lacks):
        lines.append("Add the scope to the token in Katapult, then check again.")
    if not lacks and token.can_list:
        lines.append("It can list the organization's addresses and unallocate them.")
    if findings.organizations:
        names = (each.name or each.sub_domain for each in findings.organizations)
        lines.append(f"It can access {', '.join(names)}.")
    tone, title = (
        ("warning", "The token works in part") if lacks else ("success", "The token works")
    )
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
