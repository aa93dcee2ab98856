"""Sentences about the reader's own account and second factors."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from allauth.mfa import app_settings
from allauth.mfa.models import Authenticator
from django.urls import reverse
from django.utils import timezone

from ipadmin.models import AuditLink, LinkKind, User
from ipadmin.ui.components import Badge, Fact, Linked, Notice

Type = Authenticator.Type
NO_SIGN_IN = "You can't sign in with this account. Ask the administrator of this site."
PASSKEY_FAILED = "The passkey was not accepted. Try again, or use another way."
FACTORS: dict[str, str] = {
    Type.WEBAUTHN: "Passkey",
    Type.TOTP: "Authenticator app",
    Type.RECOVERY_CODES: "Recovery codes",
}
WAYS = {
    "mfa_reauthenticate:webauthn": "Use a passkey",
    "reauthenticate": "Use your password",
    "mfa_reauthenticate": "Use a code",
}
REQUIRED = "This site requires a second factor of you"


class Factors(NamedTuple):
    """What a person signs in with, apart from the password."""

    passkeys: list[Authenticator]
    app: Authenticator | None
    has_recovery_codes: bool
    codes: Badge


def factors_of(user: User) -> Factors:
    found = list(Authenticator.objects.filter(user=user).order_by("created_at", "pk"))
    by_type = {each.type: each for each in found}
    recovery = by_type.get(Type.RECOVERY_CODES)
    return Factors(
        [each for each in found if each.type == Type.WEBAUTHN],
        by_type.get(Type.TOTP),
        recovery is not None,
        codes_left(recovery),
    )


def codes_left(recovery: Authenticator | None) -> Badge:
    if recovery is None:
        return Badge("neutral", "ban", "None")
    total = app_settings.RECOVERY_CODE_COUNT
    left = total - int(recovery.data["used_mask"]).bit_count()
    tone, icon = ("success", "circle-check") if left > 2 else ("warning", "triangle-alert")
    return Badge(tone, icon, f"{left} of {total} left")


def name_of(authenticator: Authenticator) -> str:
    """A second factor in the audit log."""
    name = FACTORS[authenticator.type]
    is_passkey = authenticator.type == Type.WEBAUTHN
    return f"{name} “{authenticator.data['name']}”" if is_passkey else name


def facts(user: User) -> list[Fact]:
    roles = [name.capitalize() for name in user.groups.values_list("name", flat=True)]
    return [
        Fact("Name", user.get_full_name(), none="Not given"),
        Fact("User name", user.get_username()),
        Fact("Roles", ", ".join(["Superuser"] * user.is_superuser + roles), none="None yet"),
        Fact("Last sign-in", at=user.last_login, none="Never"),
    ]


def password_facts(user: User) -> list[Fact]:
    """When it was changed last, as far as the audit log tells."""
    # Without an attempt, which is the condition of the index of activity by kind.
    changes = AuditLink.objects.filter(
        attempt_id=None, kind=LinkKind.PASSWORD_CHANGED, details__person_id=user.pk
    )
    changed_at = changes.order_by("-sequence").values_list("at", flat=True).first()
    return [Fact("Last changed", at=changed_at, none="No change recorded")]


def second_factor_notice(due_at: datetime) -> Notice:
    """On every page until the day, and afterwards on the only page that is left."""
    link = Linked("Set up a second factor", reverse("account") + "#factors")
    now = timezone.now()
    if due_at <= now:
        text = "Set one up to continue: a passkey, or an authenticator app."
        return Notice("danger", REQUIRED, (text,), link)
    days = (due_at - now).days + 1
    text = f"Without one, you can use this site for {days} more day{'' if days == 1 else 's'}."
    return Notice("warning", REQUIRED, (text,), link)


def ways_to_prove_identity(methods: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """allauth's methods with our descriptions, in our order; those of others after them."""
    order = list(WAYS)
    known = [each | {"description": WAYS.get(each["id"], each["description"])} for each in methods]
    return sorted(known, key=lambda each: order.index(each["id"]) if each["id"] in WAYS else 9)
