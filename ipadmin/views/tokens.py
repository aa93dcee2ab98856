"""A user's own API tokens. Somebody else's is a 404, for administrators too."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.db import IntegrityError
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ipadmin import access, crypto
from ipadmin.access import SignedInRequest, operators_only
from ipadmin.forms import LABEL_TAKEN, AddTokenForm, LabelForm, OrganizationForm, SecretForm
from ipadmin.katapult.errors import KatapultError
from ipadmin.katapult.types import Organization
from ipadmin.models import ApiToken
from ipadmin.services import tokens as service
from ipadmin.ui import explanations
from ipadmin.ui.explanations import Explanation


@require_safe
@operators_only
def tokens(request: SignedInRequest) -> HttpResponse:
    return render(request, "ipadmin/tokens.html", {"tokens": request.user.api_tokens.all()})


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("secret")
@operators_only
def token_add(request: SignedInRequest) -> HttpResponse:
    form = AddTokenForm(request.POST or None, owner=request.user)
    problem: Explanation | None = None
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            added = service.add(owner=request.user, label=data["label"], secret=data["secret"])
        except KatapultError as error:
            problem = explanations.of_error(error)
        except IntegrityError:
            # Two tabs at once: the other one's token has the label.
            form.add_error("label", LABEL_TAKEN)
        else:
            messages.success(request, f"Token “{added.label}” was added.")
            return redirect(added if added.is_ready else "token_organization", added.id)
    context = {"form": form, "problem": problem}
    return render(request, "ipadmin/token_add.html", context, status=_status(form, problem))


@require_http_methods(["GET", "HEAD", "POST"])
@operators_only
def token_organization(request: SignedInRequest, token_id: uuid.UUID) -> HttpResponse:
    token = access.own_token(request.user, token_id)
    if token.is_ready:
        return redirect("token", token.id)
    found: tuple[Organization, ...] = ()
    problem: Explanation | None = None
    try:
        found = service.organizations(token)
    except (KatapultError, crypto.CannotDecrypt) as error:
        problem = explanations.of_error(error)
    form = OrganizationForm(request.POST or None, organizations=found)
    if request.method == "POST" and not problem and form.is_valid():
        try:
            service.choose_organization(token, form.chosen)
        except (KatapultError, crypto.CannotDecrypt) as error:
            problem = explanations.of_error(error)
        else:
            messages.success(request, f"“{token.label}” acts for {token.organization_title}.")
            return redirect("addresses", token.id)
    context = {"token": token, "organizations": found, "form": form, "problem": problem}
    lacks = [scope for scope in token.missing_scopes if scope.startswith("organizations")]
    context["can_list_organizations"] = not lacks
    page = "ipadmin/token_organization.html"
    return render(request, page, context, status=_status(form, problem))


@require_http_methods(["GET", "HEAD", "POST"])
@operators_only
def token(request: SignedInRequest, token_id: uuid.UUID) -> HttpResponse:
    """Manage one token; a POST renames it."""
    token = access.own_token(request.user, token_id)
    form = LabelForm(request.POST or None, instance=token, owner=request.user)
    if request.method == "POST" and form.is_valid():
        try:
            token.save(update_fields=["label"])
        except IntegrityError:
            form.add_error("label", LABEL_TAKEN)
        else:
            messages.success(request, f"The token is now called “{token.label}”.")
            return redirect("token", token.id)
    return _token_page(request, token, form=form)


@require_POST
@operators_only
def token_check(request: SignedInRequest, token_id: uuid.UUID) -> HttpResponse:
    token = access.own_token(request.user, token_id)
    try:
        findings = service.check(token)
    except (KatapultError, crypto.CannotDecrypt) as error:
        return _token_page(request, token, problem=explanations.of_error(error))
    return _token_page(request, token, findings=findings)


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("secret")
@operators_only
def token_replace(request: SignedInRequest, token_id: uuid.UUID) -> HttpResponse:
    token = access.own_token(request.user, token_id)
    form = SecretForm(request.POST or None)
    problem: Explanation | None = None
    if request.method == "POST" and form.is_valid():
        try:
            service.replace(token, form.cleaned_data["secret"])
        except service.OrganizationMismatch:
            form.add_error("secret", _mismatch(token))
        except KatapultError as error:
            problem = explanations.of_error(error)
        else:
            messages.success(request, f"The secret of “{token.label}” was replaced.")
            return redirect("token", token.id)
    context = {"token": token, "form": form, "problem": problem}
    return render(request, "ipadmin/token_replace.html", context, status=_status(form, problem))


@require_http_methods(["GET", "HEAD", "POST"])
@operators_only
def token_delete(request: SignedInRequest, token_id: uuid.UUID) -> HttpResponse:
    token = access.own_token(request.user, token_id)
    if request.method == "POST":
        token.delete()
        messages.success(request, f"Token “{token.label}” was deleted. Its history stays.")
        return redirect("tokens")
    return render(request, "ipadmin/token_delete.html", {"token": token})


def _token_page(
    request: SignedInRequest,
    token: ApiToken,
    *,
    form: LabelForm | None = None,
    findings: service.Findings | None = None,
    problem: Explanation | None = None,
) -> HttpResponse:
    form = form or LabelForm(instance=token, owner=request.user)
    context = {"token": token, "form": form, "findings": findings, "problem": problem}
    return render(request, "ipadmin/token.html", context, status=_status(form, None))


def _mismatch(token: ApiToken) -> str:
    return (
        f"This token does not reach {token.organization_title}, which “{token.label}” stands for. "
        "Add it as a token of its own instead."
    )


def _status(form: LabelForm | SecretForm | OrganizationForm, problem: Explanation | None) -> int:
    """422 for a form with mistakes; what Katapult did is a problem of the page, not of HTTP."""
    return 422 if form.is_bound and form.errors and not problem else 200
