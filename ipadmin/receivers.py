"""Security events that libraries signal, recorded in the audit log."""

from __future__ import annotations

from typing import Any

from allauth.account.signals import authentication_step_completed
from allauth.core import context
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authentication_failed
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from ipadmin.audit.activity import Actor, command_line_actor, record
from ipadmin.models import LinkKind, User
from ipadmin.ui import account_texts
from ipadmin.views.parts import actor

# Second factors, and proofs of identity


@receiver(post_save, sender=Authenticator)
def factor_added(instance: Authenticator, created: bool, **_: Any) -> None:
    """Within the transaction of the change, unlike allauth's signal."""
    if created:
        _record_factor(LinkKind.FACTOR_ADDED, instance)


@receiver(post_delete, sender=Authenticator)
def factor_removed(instance: Authenticator, **_: Any) -> None:
    _record_factor(LinkKind.FACTOR_REMOVED, instance)


def _record_factor(kind: LinkKind, factor: Authenticator) -> None:
    record(kind, _actor(), **_person(factor.user), factor=account_texts.name_of(factor))


@receiver(authentication_step_completed)
def identity_proved(
    request: Any, user: User, method: str, reauthenticated: bool = False, **extra: Any
) -> None:
    """A sign-in is recorded as a whole; this is a later proof."""
    if reauthenticated:
        methods = [extra.get("type") or method]
        record(LinkKind.REAUTHENTICATED, actor(request), **_person(user), methods=methods)
        # See `access.has_proved_identity`.
        request.proves_identity = True


@receiver(authentication_failed)
def code_was_wrong(request: Any, user: User, authenticator: Authenticator, **extra: Any) -> None:
    details = {"factor": account_texts.name_of(authenticator), "why": "Wrong code"}
    if extra.get("reauthentication"):
        details["why"] = "Wrong code in a proof of identity"
    record(LinkKind.SIGN_IN_FAILED, actor(request), **_person(user), **details)


def _actor() -> Actor:
    request = context.request
    return command_line_actor() if request is None else actor(request)


def _person(user: User) -> dict[str, object]:
    return {"person": user.get_username(), "person_id": user.pk}
