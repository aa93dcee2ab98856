"""Permissions: who may see and do what.

Permissions come from a user's groups, which a migration makes. Other people's tokens are not found
(404), even for administrators.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Concatenate, ParamSpec

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django_htmx.middleware import HtmxDetails

from ipadmin.models import ApiToken, AuditEntry, User
from ipadmin.models.search_keys import folded

P = ParamSpec("P")

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
        may_manage_people=user.is_staff and user.has_perm(MANAGE_PEOPLE),
    )


View = Callable[Concatenate[SignedInRequest, P], HttpResponseBase]


def operators_only(view: View[P]) -> View[P]:
    """For those who use tokens and unallocate; 403 for everyone else."""
    return _requires(USE_TOKENS, view)


def history_readers_only(view: View[P]) -> View[P]:
    """For operators and auditors; 403 for everyone else."""
    return _requires(VIEW_HISTORY, view)


def auditors_only(view: View[P]) -> View[P]:
    """For those who verify the history and see activity; 403 for everyone else."""
    return _requires(VERIFY_HISTORY, view)


def _requires(permission: str, view: View[P]) -> View[P]:
    @wraps(view)
    def guarded(request: SignedInRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not request.user.has_perm(permission):
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return guarded


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
    """The entries that the user may see."""
    organizations = own_organizations(user)
    entries = AuditEntry.objects.all()
    return entries if organizations is None else entries.filter(organization_key__in=organizations)


def visible_entry(user: User, attempt_id: uuid.UUID) -> AuditEntry:
    """One of the entries that the user may see. Raises Http404."""
    return get_object_or_404(visible_entries(user), attempt_id=attempt_id)
