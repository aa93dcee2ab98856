"""Permissions: who may see and do what.

Permissions come from a user's groups, which a migration makes. Other people's tokens are not found
(404), even for administrators.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Concatenate, ParamSpec

from allauth.account.authentication import get_authentication_records
from allauth.core.exceptions import ReauthenticationRequired
from django.conf import settings
from django.contrib.auth.decorators import permission_required
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import resolve
from django_htmx.middleware import HtmxDetails

from ipadmin.models import ApiToken, AuditEntry, User
from ipadmin.models.audit_entry import with_names
from ipadmin.models.search_keys import folded

P = ParamSpec("P")

# How allauth names a sign-in with a provider.
SSO = "socialaccount"
USE_TOKENS = "ipadmin.use_apitoken"
VIEW_HISTORY = "ipadmin.view_auditentry"
VERIFY_HISTORY = "ipadmin.view_auditlink"
MANAGE_PEOPLE = "ipadmin.change_user"


class SignedInRequest(HttpRequest):
    """A request of a signed-in user."""

    user: User
    request_id: str
    htmx: HtmxDetails


@dataclass(frozen=True, slots=True)
class Abilities:
    may_unallocate: bool = False
    may_view_history: bool = False
    may_verify_history: bool = False
    may_manage_people: bool = False


def abilities(user: User | AnonymousUser) -> Abilities:
    return Abilities(
        may_unallocate=user.has_perm(USE_TOKENS),
        may_view_history=user.has_perm(VIEW_HISTORY),
        may_verify_history=user.has_perm(VERIFY_HISTORY),
        may_manage_people=user.has_perm(MANAGE_PEOPLE),
    )


# Decorators of views; 403 for everyone else.
# For those who use tokens and unallocate.
operators_only = permission_required(USE_TOKENS, raise_exception=True)
# For operators and auditors.
history_readers_only = permission_required(VIEW_HISTORY, raise_exception=True)
# For those who verify the history and see activity.
auditors_only = permission_required(VERIFY_HISTORY, raise_exception=True)


# For administrators.
administrators_only = permission_required(MANAGE_PEOPLE, raise_exception=True)


def recent_identity_required(
    view: Callable[Concatenate[SignedInRequest, P], HttpResponse],
) -> Callable[Concatenate[SignedInRequest, P], HttpResponse]:
    """Decorator of a view whose POST is dangerous: the user proves their identity again, unless
    they did within the last REAUTHENTICATE_AFTER seconds. Afterwards the POST is carried out."""

    @wraps(view)
    def checked(request: SignedInRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if request.method == "POST":
            require_identity(request, within=settings.REAUTHENTICATE_AFTER)
        return view(request, *args, **kwargs)

    return checked


class IdentityRequired(ReauthenticationRequired):
    """A proof of identity is required; our middleware responds. Afterwards the request is carried
    out, or else the page opened."""

    def __init__(self, page: str = "") -> None:
        super().__init__()
        self.page = page


def require_identity(request: SignedInRequest, *, within: int, page: str = "") -> None:
    """Raises IdentityRequired if the last proof of identity (the sign-in, or a later one) is older
    than so many seconds."""
    if not has_proved_identity(request, within=within):
        raise IdentityRequired(page)
    # That of a resumed request is still the page of the proof.
    request.resolver_match = resolve(request.path_info)


def has_proved_identity(request: SignedInRequest, *, within: int) -> bool:
    """Whether the last proof of identity is more recent than so many seconds, or was made by this
    request itself, which is resumed then."""
    if getattr(request, "proves_identity", False):
        return True
    records = get_authentication_records(request, request.user)
    if within <= settings.REAUTHENTICATE_AFTER:
        # A provider signs in whoever sits at a browser that it knows.
        records = [each for each in records if each["method"] != SSO or "reauthenticated" in each]
    return time.time() - max((record["at"] for record in records), default=0) < within


def manageable_person(user: User, person_id: int) -> User:
    """A person whom the administrator may change. Only superusers may change superusers, so that
    nobody can extend their own permissions. Raises Http404, PermissionDenied."""
    person = get_object_or_404(User, pk=person_id)
    if person.is_superuser and not user.is_superuser:
        raise PermissionDenied
    return person


def own_token(user: User, token_id: uuid.UUID) -> ApiToken:
    """The user's token, with or without an organization. Raises Http404."""
    return get_object_or_404(ApiToken, id=token_id, owner=user)


def own_ready_token(user: User, token_id: uuid.UUID) -> ApiToken:
    """The user's token, which has an organization. Raises Http404."""
    return get_object_or_404(ApiToken.objects.ready(), id=token_id, owner=user)


def own_organizations(user: User) -> list[str] | None:
    """The search keys of the organizations whose entries the user may see; None for all.

    With HISTORY_OF_OWN_ORGANIZATIONS, operators see only those that they have a token for; auditors
    see all. A typed sub-domain counts once the token has listed its addresses, and only without an
    underscore: ids have one, so a sub-domain cannot match the id of another organization.
    """
    if not settings.HISTORY_OF_OWN_ORGANIZATIONS or user.has_perm(VERIFY_HISTORY):
        return None
    own = ApiToken.objects.ready().filter(owner=user)
    named = own.exclude(organization_id="").values_list("organization_id", flat=True)
    typed = own.filter(organization_id="", can_list=True).exclude(
        organization_sub_domain__contains="_"
    )
    sub_domains = typed.values_list("organization_sub_domain", flat=True)
    return sorted({folded(key) for key in (*named, *sub_domains)})


def visible_entries(user: User) -> QuerySet[AuditEntry]:
    """The entries that the user may see, with the names of their accounts."""
    organizations = own_organizations(user)
    entries = with_names(AuditEntry.objects.all())
    return entries if organizations is None else entries.filter(organization_key__in=organizations)


def visible_entry(user: User, attempt_id: uuid.UUID) -> AuditEntry:
    """One of the entries that the user may see. Raises Http404."""
    return get_object_or_404(visible_entries(user), attempt_id=attempt_id)
