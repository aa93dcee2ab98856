"""Security events that libraries signal, recorded in the audit log."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.authentication import get_authentication_records
from allauth.account.signals import (
    authentication_step_completed,
    password_changed,
    user_logged_in,
)
from allauth.core import context
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authentication_failed
from django.contrib.auth.signals import user_logged_out, user_login_failed
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from ipadmin.audit.activity import Actor, about, command_line_actor, record
from ipadmin.models import LinkKind, User
from ipadmin.services import lockouts, sessions
from ipadmin.ui import account_texts
from ipadmin.views.parts import actor

UNKNOWN_NAME = "Unknown name"
MORE_UNKNOWN_NAMES = "Unknown name; further ones of this hour are in the request log only"
MANY_ACCOUNTS = "Wrong passwords for several accounts from this address"

# Signing in and out, and the own password


@receiver(user_logged_in)
def signed_in(request: Any, user: User, **_: Any) -> None:
    """After all steps of the sign-in. If it can't be recorded, the session is not saved."""
    by, client = actor(request), _client(request)
    request.session.begin(source_ip=by.source_ip, user_agent=client)
    lockouts.remember(user, by.source_ip)
    proofs = get_authentication_records(request, user)
    methods = [proof.get("type") or proof["method"] for proof in proofs]
    record(LinkKind.SIGNED_IN, by, **about(user), methods=methods, client=client)


@receiver(user_login_failed)
def sign_in_failed(credentials: dict[str, str], request: Any = None, **_: Any) -> None:
    """Also a wrong password when identity is proved again. What was typed as the name is recorded
    only if an account has it: it may be the password, and the audit log keeps it for years."""
    if not hasattr(request, "guess"):
        return
    by, client = actor(request), _client(request)
    reached = lockouts.fail(request.guess)
    person = User.objects.filter(username__iexact=credentials.get("username", "")).first()
    if person:
        details = about(person) | {"name": person.username, "client": client}
        details |= {} if person.is_active else {"why": "The account is disabled"}
        record(LinkKind.SIGN_IN_FAILED, by, **details)
    elif left := lockouts.records_left_without_account():
        why = UNKNOWN_NAME if left > 1 else MORE_UNKNOWN_NAMES
        record(LinkKind.SIGN_IN_FAILED, by, client=client, why=why)
    if person and {lockouts.PAIR, lockouts.ACCOUNT} & set(reached):
        record(LinkKind.LOCKED_OUT, by, **about(person), name=person.username)
    if lockouts.ADDRESS in reached and lockouts.records_left_without_account():
        record(LinkKind.LOCKED_OUT, by, why=MANY_ACCOUNTS)


@receiver(user_logged_out)
def signed_out(request: Any, user: User | None, **_: Any) -> None:
    # Not a session that is ended outside of the site's own requests.
    if user and hasattr(request, "request_id"):
        record(LinkKind.SIGNED_OUT, actor(request), **about(user))


@receiver(password_changed)
def own_password_changed(request: Any, user: User, **_: Any) -> None:
    """In the transaction of the change."""
    user.must_change_password = False
    user.save(update_fields=["must_change_password"])
    ended = sessions.end_others(request.session, user)
    record(LinkKind.PASSWORD_CHANGED, actor(request), **about(user), sessions=ended)


def _client(request: Any) -> str:
    agent: str = get_adapter(request).get_http_user_agent(request)
    return agent[:300]


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
    record(kind, _actor(), **about(factor.user), factor=account_texts.name_of(factor))


@receiver(authentication_step_completed)
def identity_proved(
    request: Any, user: User, method: str, reauthenticated: bool = False, **extra: Any
) -> None:
    """A sign-in is recorded as a whole; this is a later proof."""
    if reauthenticated:
        methods = [extra.get("type") or method]
        record(LinkKind.REAUTHENTICATED, actor(request), **about(user), methods=methods)
        request.session.cycle_key()
        # See `access.has_proved_identity`.
        request.proves_identity = True


@receiver(authentication_failed)
def code_was_wrong(request: Any, user: User, authenticator: Authenticator, **extra: Any) -> None:
    details = {"factor": account_texts.name_of(authenticator), "why": "Wrong code"}
    if extra.get("reauthentication"):
        details["why"] = "Wrong code in a proof of identity"
    record(LinkKind.SIGN_IN_FAILED, actor(request), **about(user), **details)


def _actor() -> Actor:
    request = context.request
    return command_line_actor() if request is None else actor(request)
