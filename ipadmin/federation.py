"""Sign-in with OpenID Connect: who may sign in, and with which roles. allauth has the protocol."""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Mapping
from itertools import count
from typing import Any

import structlog
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialLogin
from django.conf import settings
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from ipadmin.audit import activity
from ipadmin.audit.activity import Actor
from ipadmin.models import LinkKind, User
from ipadmin.ui import account_texts

log = structlog.get_logger(__name__)

PROVIDER = "oidc"
ADMINISTRATOR = "administrator"
# Between our clock and that of the provider.
CLOCK_SKEW_SECONDS = 30
NAME_CHARACTERS = 140
NOT_VERIFIED = "The sign-in could not be verified. Nothing was changed. Try again."
NO_ROLE = "You have no role on this site. Ask whoever manages your account to give you one."
NOT_ALLOWED = "Your account has no verified e-mail address that may sign in to this site."
ANOTHER_PERSON = "That was another account. Confirm your identity with the one you use here."
NOT_RECENT = "Your identity was not confirmed anew. Nothing was changed. Try again."


class Refused(Exception):
    """A sign-in that is refused; the text is for the person."""


def is_configured() -> bool:
    return bool(settings.OIDC_DISCOVERY_URL and settings.OIDC_CLIENT_ID)


def app() -> SocialApp:
    return SocialApp(
        provider="openid_connect",
        provider_id=PROVIDER,
        name=settings.OIDC_NAME,
        client_id=settings.OIDC_CLIENT_ID,
        secret=settings.OIDC_CLIENT_SECRET,
        settings={"server_url": settings.OIDC_DISCOVERY_URL, "oauth_pkce_enabled": True},
    )


def can_prove_identity(user: User) -> bool:
    """Whether a new sign-in with the provider can prove the identity of a person."""
    return is_configured() and SocialAccount.objects.filter(user=user, provider=PROVIDER).exists()


def verified_claims(login: SocialLogin) -> dict[str, Any]:
    """The claims of a verified ID token and of the endpoint for user information. Raises
    Refused."""
    token, info = (login.account.extra_data.get(name) for name in ("id_token", "userinfo"))
    if not isinstance(token, dict) or token.get("nonce") != login.state.get("nonce"):
        raise Refused(NOT_VERIFIED)
    if not isinstance(info, dict) or info.get("sub") != token.get("sub"):
        raise Refused(NOT_VERIFIED)
    return info | token


def require_same_person(login: SocialLogin, claims: Mapping[str, Any], user: object) -> None:
    """That the user has just proved their identity to the provider. Raises Refused."""
    if login.user is None or login.user != user:
        raise Refused(ANOTHER_PERSON)
    at, begun_at = claims.get("auth_time"), login.state["begun_at"]
    if not isinstance(at, int) or not begun_at - CLOCK_SKEW_SECONDS <= at < time.time() + 60:
        raise Refused(NOT_RECENT)


def admit(login: SocialLogin, claims: Mapping[str, Any], by: Actor) -> None:
    """Set the person of a sign-in, a new one at the first, with the roles of the claim.

    An account that was made here is never taken over, whatever its name and address. Raises
    Refused.
    """
    person = User.objects.filter(pk=login.user.pk).first() if login.user else None
    if person and not person.is_active:
        raise Refused(account_texts.NO_SIGN_IN)
    roles = roles_of(claims)
    with transaction.atomic():
        if person:
            _set_roles(person, roles, by)
    if not roles:
        raise Refused(NO_ROLE)
    if not _is_allowed(claims):
        raise Refused(NOT_ALLOWED)
    with transaction.atomic():
        if person is None:
            person = login.account.user = login.user = _new_person(claims)
            _set_roles(person, roles, by)
        # Not more about a person than is needed.
        login.account.extra_data = {}
        login.account.save()


def roles_of(claims: Mapping[str, Any]) -> set[str]:
    """The roles that OIDC_ROLES names for the values of OIDC_ROLE_CLAIM, in which a dot leads into
    an object: `realm_access.roles`."""
    value: Any = claims.get(settings.OIDC_ROLE_CLAIM)
    if value is None:
        value = claims
        for key in settings.OIDC_ROLE_CLAIM.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
    values = value if isinstance(value, list) else [value]
    return {
        settings.OIDC_ROLES[v] for v in values if isinstance(v, str) and v in settings.OIDC_ROLES
    }


def _set_roles(person: User, roles: set[str], by: Actor) -> None:
    old = set(person.groups.values_list("name", flat=True))
    if old == roles:
        return
    person.groups.set(Group.objects.filter(name__in=roles))
    changed = {"old": sorted(old), "new": sorted(roles)}
    activity.record(LinkKind.ROLES_CHANGED, by, **activity.about(person), **changed)
    if ADMINISTRATOR in old - roles:
        left = User.objects.filter(groups__name=ADMINISTRATOR, is_active=True)
        if not left.exists():
            log.warning("no_administrator_left", person_id=person.pk)


def _is_allowed(claims: Mapping[str, Any]) -> bool:
    """Whether the address was verified, and is of OIDC_ALLOWED_DOMAIN."""
    address = str(claims.get("email") or "").lower()
    try:
        validate_email(address)
    except ValidationError:
        return False
    domain = settings.OIDC_ALLOWED_DOMAIN.lower().removeprefix("@")
    return address.endswith(f"@{domain}") and claims.get("email_verified") in {True, "true"}


def _new_person(claims: Mapping[str, Any]) -> User:
    names = {name: str(claims.get(name) or "")[:150] for name in ("given_name", "family_name")}
    person = User(
        username=_free_name(str(claims.get("preferred_username") or claims["email"])),
        email=str(claims["email"])[:254],
        first_name=names["given_name"],
        last_name=names["family_name"],
    )
    person.set_unusable_password()
    person.save()
    return person


def _free_name(wanted: str) -> str:
    """A user name like this one, in ASCII, that nobody has."""
    plain = unicodedata.normalize("NFKD", wanted).encode("ascii", "ignore").decode()
    name = re.sub(r"[^A-Za-z0-9@.+_-]", "", plain)[:NAME_CHARACTERS] or "person"
    names = (f"{name}-{number}".removesuffix("-1") for number in count(1))
    return next(each for each in names if not User.objects.filter(username__iexact=each).exists())
