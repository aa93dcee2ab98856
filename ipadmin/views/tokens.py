"""A user's own API tokens. Other users' tokens are a 404, for administrators too."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.db import IntegrityError
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ipadmin import access
from ipadmin.access import SignedInRequest, operators_only, recent_identity_required
from ipadmin.crypto import CannotDecrypt
from ipadmin.forms import LABEL_TAKEN, AddTokenForm, LabelForm, OrganizationForm, SecretForm
from ipadmin.models import ApiToken
from ipadmin.services import budget, connections
from ipadmin.services import tokens as service
from ipadmin.ui import token_texts
from ipadmin.views.parts import CANNOT_READ, actor, problem

TokenForm = LabelForm | SecretForm | OrganizationForm
# What prevents the use of a secret.
CANNOT_USE = (*CANNOT_READ, service.AlreadyAdded)


@require_safe
@operators_only
def tokens(request: SignedInRequest) -> HttpResponse:
    organizations = token_texts.overview(request.user.api_tokens.all())
    return render(request, "ipadmin/tokens.html", {"organizations": organizations})


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("secret")
@operators_only
@recent_identity_required
def token_add(request: SignedInRequest) -> HttpResponse:
    form, failed = AddTokenForm(request.POST or None, owner=request.user), None
    try:
        if form.is_valid():
            added = service.add(owner=request.user, by=actor(request), **form.cleaned_data)
            messages.success(request, token_texts.ADDED.format(added))
            return redirect("token" if added.is_ready else "token_organization", added.id)
    except CANNOT_USE as error:
        failed = problem(request, error, retry="")
    except IntegrityError:
        # Added in another tab at the same time.
        form.add_error("label", LABEL_TAKEN)
    return _page(request, "token_add", form, problem=failed)


@require_http_methods(["GET", "HEAD", "POST"])
@operators_only
def token_organization(request: SignedInRequest, token_id: uuid.UUID) -> HttpResponse:
    token = access.own_token(request.user, token_id)
    if token.is_ready:
        return redirect("token", token.id)
    form, failed = OrganizationForm(request.POST or None), None
    try:
        form = OrganizationForm(request.POST or None, service.organizations(token))
        if form.is_valid():
            service.choose_organization(token, form.chosen, actor(request))
            messages.success(request, token_texts.CONNECTED.format(token))
            return redirect("addresses", token.id)
    except CANNOT_USE as error:
        failed = problem(request, error, token)
    notice = None
    if not form.organizations and not failed:
        notice = token_texts.no_organizations(token)
    return _page(request, "token_organization", form, token=token, problem=failed, notice=notice)


@require_http_methods(["GET", "HEAD", "POST"])
@operators_only
def token(request: SignedInRequest, token_id: uuid.UUID) -> HttpResponse:
    """Manage one token; a POST renames it."""
    token = access.own_token(request.user, token_id)
    form = LabelForm(request.POST or None, instance=token, owner=request.user)
    try:
        if form.is_valid():
            service.rename(token, actor(request))
            messages.success(request, token_texts.RENAMED.format(token))
            return redirect("token", token.id)
    except IntegrityError:
        form.add_error("label", LABEL_TAKEN)
    return _token_page(request, token, form)


@require_POST
@operators_only
def token_check(request: SignedInRequest, token_id: uuid.UUID) -> HttpResponse:
    token = access.own_token(request.user, token_id)
    try:
        findings = service.check(token, actor(request))
        shown: dict[str, object] = {"check_result": token_texts.check_result(token, findings)}
    except CANNOT_READ as error:
        shown = {"problem": problem(request, error, token, retry="Check again")}
    return _token_page(request, token, LabelForm(instance=token, owner=request.user), **shown)


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("secret")
@operators_only
@recent_identity_required
def token_replace(request: SignedInRequest, token_id: uuid.UUID) -> HttpResponse:
    token = access.own_token(request.user, token_id)
    form, failed = SecretForm(request.POST or None), None
    try:
        if form.is_valid():
            service.replace(token, form.cleaned_data["secret"], actor(request))
            messages.success(request, token_texts.REPLACED.format(token))
            return redirect("token", token.id)
    except service.OrganizationMismatch:
        form.add_error("secret", token_texts.WRONG_ORGANIZATION.format(token))
    except CANNOT_USE as error:
        failed = problem(request, error, retry="")
    return _page(request, "token_replace", form, token=token, problem=failed)


@require_http_methods(["GET", "HEAD", "POST"])
@operators_only
@recent_identity_required
def token_delete(request: SignedInRequest, token_id: uuid.UUID) -> HttpResponse:
    token = access.own_token(request.user, token_id)
    if request.method == "POST":
        connections.delete(token, actor(request))
        messages.success(request, token_texts.DELETED.format(token))
        return redirect("tokens")
    context = {"token": token, "manage": token_texts.management(token)}
    return render(request, "ipadmin/token_delete.html", context)


def _token_page(
    request: SignedInRequest, token: ApiToken, form: LabelForm, **shown: object
) -> HttpResponse:
    unreadable = None if token.opens else problem(request, CannotDecrypt(), token, retry="")
    context = {
        "token": token,
        "problem": unreadable,
        "state": token_texts.state(token),
        "manage": token_texts.management(token),
        "abilities": token_texts.abilities(token),
        "calls_left": budget.remaining(token.fingerprint),
    }
    return _page(request, "token", form, **context | shown)


def _page(request: SignedInRequest, name: str, form: TokenForm, **context: object) -> HttpResponse:
    """422 for a form with errors; 200 for errors of Katapult too."""
    is_wrong = form.is_bound and form.errors and not context.get("problem")
    page = f"ipadmin/{name}.html"
    return render(request, page, {"form": form, **context}, status=422 if is_wrong else 200)
