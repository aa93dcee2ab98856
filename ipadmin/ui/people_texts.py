"""The pages of people in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from django.conf import settings
from django.utils import timezone

from ipadmin.models import User
from ipadmin.services import people
from ipadmin.services.people import State
from ipadmin.ui.components import Badge, Fact, Notice
from ipadmin.ui.time_zones import text_of

STATES = {
    State.ACTIVE: Badge("success", "circle-check", "Active"),
    State.INVITED: Badge("info", "mail", "Invited"),
    State.RESET: Badge("warning", "key-round", "Access reset"),
    State.LOCKED: Badge("warning", "lock", "Locked out"),
    State.DISABLED: Badge("neutral", "user-x", "Disabled"),
}
FILTERS = {"": "All", "active": "Active", "invited": "Invited", "disabled": "Disabled"}
ROLES = {
    "operator": "Unallocates addresses and puts them back, with their own API tokens; approves "
    "runs; sees the history.",
    "auditor": "Sees and verifies the whole history and the activity. Changes nothing.",
    "administrator": "Manages people and their roles.",
}
OWN_ACCESS = "Nobody changes their own roles and access. Ask another administrator."
SUPERUSER = "Superuser: may do everything. Made on the command line, changed by superusers only."
RESET_FOR_LINK = "Reset their access to make a new link."
SAVED = "Saved."
NAME_TAKEN = "There is an account with this user name."
MAILED = "The link was also sent to {}."
NOT_MAILED = "The link could not be sent by mail. Copy it from this page."
MAIL_SUBJECT = "Your access to IP admin"
NOT_VALID = (
    "It was used or revoked, or has expired. Nothing was changed. "
    "Ask the administrator of this site for a new link."
)
WELCOME = "Your password is set. Use it and your user name {} to sign in from now on."


class Step(NamedTuple):
    """A dangerous step and its confirmation. `{}` is the person's name."""

    title: str
    button: str
    busy: str
    done: str
    lines: tuple[str, ...]
    tone: str = "primary"


STEPS = {
    "disable": Step(
        "Disable {}",
        "Disable",
        "Disabling…",
        "{} is disabled and signed out everywhere.",
        (
            "Signs them out everywhere at once. Nobody can use their API tokens meanwhile.",
            "Their entries in the history and their tokens are kept. They can be enabled again.",
        ),
        "danger",
    ),
    "enable": Step(
        "Enable {}",
        "Enable",
        "Enabling…",
        "{} may sign in again.",
        ("They can sign in again with their password, roles and API tokens as before.",),
    ),
    "reset": Step(
        "Reset the access of {}",
        "Reset access",
        "Resetting…",
        "The access of {} is reset.",
        (
            "Removes password, second factors and the earlier link, and signs them out everywhere.",
            "Their API tokens have to be entered again.",
            "You get a link with which they set a new password. Make sure that it is they who ask.",
        ),
        "danger",
    ),
    "revoke": Step(
        "Revoke the link of {}",
        "Revoke link",
        "Revoking…",
        "The link of {} is revoked.",
        ("They can't use the link any more. Reset their access to make a new one.",),
        "danger",
    ),
    "sessions": Step(
        "End the sessions of {}",
        "End sessions",
        "Ending…",
        "{} is signed out everywhere.",
        ("Signs them out everywhere at once. They can sign in again.",),
        "danger",
    ),
    "unlock": Step(
        "Lift the lock-out of {}",
        "Lift lock-out",
        "Lifting…",
        "{} may try to sign in again.",
        ("They, or someone else, entered wrong passwords too often. They can try again at once.",),
    ),
}


def role_list(person: User) -> str:
    return ", ".join([*(["superuser"] if person.is_superuser else []), *people.roles_of(person)])


def facts(person: User, has_factor: bool) -> Iterator[Fact]:
    yield Fact("User name", code=person.username)
    yield Fact("Last sign-in", at=person.last_login, none="Never")
    yield Fact("Second factor", "Yes" if has_factor else "", none="No")
    yield Fact("Sessions", str(person.sessions.count() or ""), none="None")
    yield Fact("Added", at=person.date_joined)


def about_link() -> str:
    return (
        f"It is shown only now, works once, and is valid for {settings.INVITATION_HOURS} hours."
        " Who has it can become this person: send it to them alone."
    )


def link_notice(person: User) -> Notice | None:
    """The link that the person has not used yet."""
    link = people.unused_link(person)
    if link is None:
        if people.has_never_joined(person) and person.is_active:
            return Notice("warning", "No valid link", (RESET_FOR_LINK,))
        return None
    by = f"Made by {link.created_by}" if link.created_by else "Made on the command line"
    if link.expires_at <= timezone.now():
        return Notice("warning", "The link has expired", (f"{by}. {RESET_FOR_LINK}",))
    line = f"{by}, valid until {text_of(link.expires_at)}. It was not used yet."
    return Notice("info", "A link is waiting", (line,))


def steps(person: User, state: State) -> list[tuple[str, Step]]:
    """The steps that are possible now, by name."""
    possible = {
        "unlock": state == State.LOCKED,
        "revoke": person.is_active and people.unused_link(person) is not None,
        "reset": person.is_active,
        "sessions": person.is_active and not people.has_never_joined(person),
        "disable": person.is_active,
        "enable": not person.is_active,
    }
    return [(name, STEPS[name]) for name, is_possible in possible.items() if is_possible]


def mail(person: User, link: str) -> str:
    return (
        f"Hello {person.display_name},\n\n"
        f"with this link you set a password for IP admin. Your user name is {person.username}.\n\n"
        f"{link}\n\n"
        f"The link is valid for {settings.INVITATION_HOURS} hours, and only once. If you did not"
        " expect it, tell the administrator of the site.\n"
    )
