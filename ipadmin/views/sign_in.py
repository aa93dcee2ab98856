"""Sign-in with OpenID Connect: to the provider, and back."""

from __future__ import annotations

import time
from typing import Any

import structlog
from allauth.account.utils import get_next_redirect_url
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.providers.base.constants import AuthProcess
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.db import IntegrityError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.crypto import get_random_string
from django.views.decorators.http import require_POST, require_safe

from ipadmin import federation
from ipadmin.access import SignedInRequest

log = structlog.get_logger(__name__)

# No answer of the provider, which is an OSError, or one that is not as the protocol has it; or the
# same person's first sign-in in another tab.
UNEXPECTED = (OSError, KeyError, ValueError, TypeError, AttributeError, IntegrityError)
UNAVAILABLE = "The sign-in service did not answer as expected. Nothing was changed. Try again."


class VerifyingAdapter(OpenIDConnectOAuth2Adapter):
    """Verifies the signature of an ID token, even though it came from the provider directly."""

    def get_access_token_data(self, *args: Any, **kwargs: Any) -> Any:
        data = super().get_access_token_data(*args, **kwargs)
        self.did_fetch_access_token = False
        return data


@require_POST
@login_not_required
def oidc_login(request: HttpRequest) -> HttpResponse:
    return _to_provider(request, AuthProcess.LOGIN)


@require_safe
def oidc_prove(request: SignedInRequest) -> HttpResponse:
    """Have the person prove their identity to the provider again."""
    parameters = {"prompt": "login", "max_age": "0"}
    return _to_provider(request, AuthProcess.REDIRECT, parameters, proves=True)


@require_safe
@login_not_required
def oidc_callback(request: HttpRequest, provider_id: str) -> HttpResponse:
    if not federation.is_configured():
        raise Http404
    try:
        adapter: Any = VerifyingAdapter(request, provider_id)
        answer: HttpResponse = OAuth2CallbackView.adapter_view(adapter)(request)  # type: ignore[no-untyped-call]
        return answer
    except UNEXPECTED as error:
        return _failed(request, error)


def _to_provider(
    request: HttpRequest, process: str, parameters: dict[str, str] | None = None, **state: object
) -> HttpResponse:
    """To the provider with state, PKCE and nonce; the session keeps what the answer must match."""
    if not federation.is_configured():
        raise Http404
    nonce = get_random_string(32)
    state |= {"nonce": nonce, "begun_at": int(time.time())}
    try:
        provider = get_adapter(request).get_provider(request, federation.PROVIDER)
        answer: HttpResponse = provider.redirect(
            request,
            process,
            next_url=get_next_redirect_url(request),
            auth_params={"nonce": nonce, **(parameters or {})},
            **state,
        )
        return answer
    except UNEXPECTED as error:
        return _failed(request, error)


def _failed(request: HttpRequest, error: Exception) -> HttpResponse:
    log.warning("sign_in_service_failed", error=type(error).__name__)
    messages.error(request, UNAVAILABLE)
    return redirect("home" if request.user.is_authenticated else "account_login")
