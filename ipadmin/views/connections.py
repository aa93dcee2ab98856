"""Connecting to Katapult through OAuth2: to the provider, and back."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_POST, require_safe

from ipadmin import access
from ipadmin.access import SignedInRequest, operators_only, recent_identity_required
from ipadmin.services import connections as service
from ipadmin.services import oauth
from ipadmin.services.tokens import OrganizationMismatch
from ipadmin.ui import explanations, token_texts
from ipadmin.views.parts import actor
from ipadmin.views.tokens import CANNOT_USE

# In the session: what the answer must match, and what it is for.
PENDING = "katapult_oauth"
# The answer of a person who clicked Deny. [RFC 6749, 4.1.2.1]
DENIED = "access_denied"


@require_POST
@operators_only
@recent_identity_required
def connect(request: SignedInRequest, token_id: uuid.UUID | None = None) -> HttpResponse:
    """Send the browser to Katapult; with a token, to renew the access of this one."""
    if not oauth.is_configured():
        raise Http404
    if token_id:
        access.own_token(request.user, token_id)
    redirect_uri = request.build_absolute_uri(reverse("connected"))
    url, state, verifier = oauth.client().authorize_url(redirect_uri)
    pending = {"state": state, "verifier": verifier, "redirect_uri": redirect_uri}
    request.session[PENDING] = pending | {"token_id": str(token_id or "")}
    return redirect(url)


@require_safe
@operators_only
def connected(request: SignedInRequest) -> HttpResponse:
    """Back from Katapult, with a code or an error."""
    pending, given = request.session.get(PENDING), request.GET
    if not pending or not constant_time_compare(given.get("state", ""), pending["state"]):
        messages.error(request, token_texts.OTHER_SESSION)
        return redirect("tokens")
    del request.session[PENDING]
    if error := given.get("error"):
        text = token_texts.DENIED if error == DENIED else token_texts.NOT_CONNECTED.format(error)
        messages.warning(request, text[:300])
        return redirect("tokens")
    return _complete(request, given.get("code", ""), **pending)


def _complete(
    request: SignedInRequest, code: str, *, state: str, token_id: str, **exchange: str
) -> HttpResponse:
    token = access.own_token(request.user, uuid.UUID(token_id)) if token_id else None
    try:
        grant = oauth.client().exchange(code, **exchange)
        if token:
            service.connect_again(token, grant, actor(request))
            messages.success(request, token_texts.CONNECTED_AGAIN.format(token))
            return redirect("token", token.id)
        added = service.connect(request.user, grant, actor(request))
        messages.success(request, token_texts.ADDED.format(added))
        return redirect("token" if added.is_ready else "token_organization", added.id)
    except OrganizationMismatch:
        messages.error(request, token_texts.WRONG_ORGANIZATION.format(token))
        return redirect("tokens")
    except CANNOT_USE as error:
        # Not a page of this URL, which has the code in it.
        messages.error(request, token_texts.not_connected(explanations.of_error(error)))
        return redirect("tokens")
