"""People and their access: invite, change, disable, reset. Accounts are disabled, never deleted.

Each change is recorded in the audit log in the transaction that makes it. Who may change whom is
decided in `access.py`; that nobody changes their own access, here.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from enum import StrEnum

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from ipadmin import factors
from ipadmin.audit.activity import Actor, about, record
from ipadmin.audit.integrity.chain import locked_chain
from ipadmin.models import Invitation, LinkKind, Session, User
from ipadmin.services import lockouts

UNUSABLE_PASSWORD = "!"  # noqa: S105  the first character of what Django stores for one
Purpose = Invitation.Purpose
RESET = "Access reset"
NOT_YOUR_OWN = "You can't change your own access."
LAST_ADMINISTRATOR = (
    "This is the last active administrator. Give another person the role administrator first."
)


class CannotChange(Exception):
    """Why a person is not changed, as a sentence."""


class LinkNotValid(Exception):
    """A link was used or revoked, or has expired."""


class State(StrEnum):
    ACTIVE = "active"
    INVITED = "invited"
    DISABLED = "disabled"
    LOCKED = "locked"
    RESET = "reset"


# Reading


def everyone() -> QuerySet[User]:
    """All accounts, disabled ones last, by name, with `has_factor`, roles and invitations."""
    has_factor = Exists(factors.counted().filter(user=OuterRef("pk")))
    people = User.objects.annotate(has_factor=has_factor).order_by("-is_active", "username")
    return people.prefetch_related("groups", "invitations")


def search(text: str, state: str) -> QuerySet[User]:
    """People with a text in their names or e-mail address. `state`: active, invited, disabled; any
    other for all."""
    names = ("username", "first_name", "last_name", "email")
    found = everyone()
    for word in text.split():
        is_named = Q()
        for name in names:
            is_named |= Q((f"{name}__icontains", word))
        found = found.filter(is_named)
    if state == State.DISABLED:
        return found.filter(is_active=False)
    if state == State.INVITED:
        return found.filter(_never_joined(), is_active=True)
    return found.filter(~_never_joined(), is_active=True) if state == State.ACTIVE else found


def states_of(people: Sequence[User]) -> list[State]:
    """In their order; lock-outs are looked up together."""
    locked = lockouts.locked_among(people)
    return [_state_of(each, is_locked=each.pk in locked) for each in people]


def _state_of(person: User, *, is_locked: bool) -> State:
    if not person.is_active:
        return State.DISABLED
    if is_locked:
        return State.LOCKED
    if has_never_joined(person):
        return State.INVITED
    return State.RESET if unused_link(person) else State.ACTIVE


def has_never_joined(person: User) -> bool:
    return not person.has_usable_password() and person.last_login is None


def unused_link(person: User) -> Invitation | None:
    """The link that was not used yet; it may have expired."""
    return next((each for each in person.invitations.all() if each.used_at is None), None)


def roles_of(person: User) -> list[str]:
    return sorted(group.name for group in person.groups.all())


def administrators() -> QuerySet[User]:
    """Those who can sign in and manage people."""
    granted = Permission.objects.filter(codename="change_user", content_type__app_label="ipadmin")
    may_manage = Q(is_superuser=True) | Q(groups__permissions__in=granted)
    return User.objects.filter(may_manage, ~_never_joined(), is_active=True).distinct()


# Changing


def invite(person: User, roles: Iterable[Group], by: Actor) -> str:
    """Create an account without a password. Returns the secret of its link. Raises IntegrityError
    if the user name is taken."""
    with transaction.atomic():
        person.set_unusable_password()
        person.save(force_insert=True)
        person.groups.set(roles)
        return _new_link(person, Purpose.JOIN, by, roles=roles_of(person))


def revoke_link(person: User, by: Actor) -> None:
    with _locked(person, by) as locked:
        _revoke_link(locked, by)


def reset_access(person: User, by: Actor) -> str:
    """Remove password, second factors, sessions, the earlier link and the secrets of tokens.
    Returns the secret of a link with which the person sets a new password."""
    with _locked(person, by) as locked:
        if not locked.is_active:
            raise CannotChange("This account is disabled. Enable it first.")
        if SocialAccount.objects.filter(user=locked).exists():
            raise CannotChange("This person signs in elsewhere. Reset their access there.")
        purpose = Purpose.JOIN if has_never_joined(locked) else Purpose.RESET
        if locked.has_usable_password():
            locked.set_unusable_password()
            locked.save(update_fields=["password"])
            record(LinkKind.PASSWORD_CHANGED, by, **about(locked), new="None", why=RESET)
        # One by one: each removal is recorded where it is signalled.
        for factor in Authenticator.objects.filter(user=locked):
            factor.delete()
        _end_sessions(locked, by, why=RESET)
        # Whoever uses the link must not get the person's tokens with it.
        locked.api_tokens.update(encrypted_secret=b"", encrypted_refresh_token=None)
        return _new_link(locked, purpose, by, why=RESET)


def change_details(person: User, values: dict[str, str], by: Actor) -> None:
    """Change names and e-mail address."""
    with transaction.atomic():
        locked = User.objects.select_for_update().get(pk=person.pk)
        changed = {name for name in values if getattr(locked, name) != values[name]}
        old = {name: getattr(locked, name) for name in sorted(changed)}
        new = {name: values[name] for name in old}
        for name, value in new.items():
            setattr(locked, name, value)
        if new:
            locked.save(update_fields=[*new])
            record(LinkKind.PERSON_CHANGED, by, **about(locked), old=old, new=new)


def change_roles(person: User, roles: Iterable[Group], by: Actor) -> None:
    with _locked(person, by) as locked:
        old = roles_of(locked)
        was_administrator = administrators().filter(pk=locked.pk).exists()
        locked.groups.set(roles)
        new = sorted(locked.groups.values_list("name", flat=True))
        if was_administrator:
            _refuse_without_administrators()
        if new != old:
            record(LinkKind.ROLES_CHANGED, by, **about(locked), old=old, new=new)


def disable(person: User, by: Actor) -> None:
    """End all sessions and links; their tokens can't be used, because only they can use them."""
    with _locked(person, by) as locked:
        if not locked.is_active:
            return
        was_administrator = administrators().filter(pk=locked.pk).exists()
        locked.is_active = False
        locked.save(update_fields=["is_active"])
        if was_administrator:
            _refuse_without_administrators()
        _revoke_link(locked, by)
        record(LinkKind.PERSON_DISABLED, by, **about(locked), old="active", new="disabled")
        _end_sessions(locked, by, why="Account disabled")


def enable(person: User, by: Actor) -> None:
    with _locked(person, by) as locked:
        if not locked.is_active:
            locked.is_active = True
            locked.save(update_fields=["is_active"])
            # One that began while the account was being disabled must not come back.
            Session.objects.filter(user=locked).delete()
            record(LinkKind.PERSON_ENABLED, by, **about(locked), old="disabled", new="active")


def end_sessions(person: User, by: Actor) -> None:
    with _locked(person, by) as locked:
        _end_sessions(locked, by)


def lift_lockout(person: User, by: Actor) -> None:
    with _locked(person, by) as locked:
        lockouts.lift(locked)
        record(LinkKind.LOCK_LIFTED, by, **about(locked))


# Links


def find_link(secret: str) -> Invitation:
    """The valid link with a secret. Raises LinkNotValid."""
    return _valid(Invitation.objects.filter(digest=Invitation.digest_of(secret)))


def use_link(link: Invitation, password: str, by: Actor) -> User:
    """Set the password of the person whom the link is for. Raises LinkNotValid."""
    with transaction.atomic():
        # Locked: a link is used once.
        found = _valid(Invitation.objects.select_for_update(of=("self",)).filter(pk=link.pk))
        person = found.person
        found.used_at = timezone.now()
        found.save(update_fields=["used_at"])
        person.set_password(password)
        person.must_change_password = False
        person.save(update_fields=["password", "must_change_password"])
        record(LinkKind.INVITATION_USED, by, **about(person), why=found.get_purpose_display())
        record(LinkKind.PASSWORD_CHANGED, by, **about(person), old="None", new="Set with the link")
    return person


def _valid(links: QuerySet[Invitation]) -> Invitation:
    is_valid = Q(used_at=None, expires_at__gt=timezone.now(), person__is_active=True)
    if found := links.select_related("person").filter(is_valid).first():
        return found
    raise LinkNotValid


def _new_link(person: User, purpose: Purpose, by: Actor, **details: object) -> str:
    secret = secrets.token_urlsafe(32)
    now = timezone.now()
    person.invitations.filter(used_at=None).delete()
    made = person.invitations.create(
        purpose=purpose,
        digest=Invitation.digest_of(secret),
        created_by=by.user_name,
        expires_at=now + timedelta(hours=settings.INVITATION_HOURS),
    )
    until = made.expires_at.isoformat()
    record(LinkKind.PERSON_INVITED, by, **about(person), **details, expires_at=until)
    return secret


def _revoke_link(person: User, by: Actor) -> None:
    if person.invitations.filter(used_at=None).delete()[0]:
        record(LinkKind.INVITATION_REVOKED, by, **about(person))


def _end_sessions(person: User, by: Actor, **details: object) -> None:
    if ended := Session.objects.filter(user=person).delete()[0]:
        record(LinkKind.SESSIONS_ENDED, by, **about(person), sessions=ended, **details)


@contextmanager
def _locked(person: User, by: Actor) -> Iterator[User]:
    """A transaction with the current person, locked. So is the chain, so that one such change
    is made at a time: the last administrators can't disable each other. Raises CannotChange."""
    if by.user_id == person.pk:
        raise CannotChange(NOT_YOUR_OWN)
    with transaction.atomic():
        locked = User.objects.select_for_update().get(pk=person.pk)
        locked_chain()
        yield locked


def _refuse_without_administrators() -> None:
    if not administrators().exists():
        raise CannotChange(LAST_ADMINISTRATOR)


def _never_joined() -> Q:
    return Q(password__startswith=UNUSABLE_PASSWORD, last_login=None)
