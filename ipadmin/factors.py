"""Second factors: of whom one is required, and since when."""

from __future__ import annotations

from datetime import datetime, timedelta

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from ipadmin.access import USE_TOKENS
from ipadmin.models import User

Type = Authenticator.Type


def is_required_of(user: User) -> bool:
    """By SECOND_FACTOR."""
    if settings.SECOND_FACTOR == "unallocate":
        return user.has_perm(USE_TOKENS)
    # A wrong value, which the checks report, requires it.
    return bool(settings.SECOND_FACTOR != "no")


def due_at(user: User) -> datetime | None:
    """Until when this person must have a second factor; None if they have one, or need none. The
    days of grace begin when it is first noticed that they need one, and only once."""
    is_required = is_required_of(user)
    if is_required != (user.second_factor_required_at is not None):
        user.second_factor_required_at = timezone.now() if is_required else None
        user.save(update_fields=["second_factor_required_at"])
    if user.second_factor_required_at is None or has_one(user):
        return None
    return user.second_factor_required_at + timedelta(days=settings.SECOND_FACTOR_GRACE_DAYS)


def has_one(user: User) -> bool:
    return counted().filter(user=user).exists()


def counted() -> QuerySet[Authenticator]:
    """What counts as a second factor: recovery codes alone do not."""
    return Authenticator.objects.filter(type__in=[Type.TOTP, Type.WEBAUTHN])
