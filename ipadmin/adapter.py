"""allauth's settings in code: what this site does not offer is switched off."""

from __future__ import annotations

from typing import Any, NoReturn

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.adapter import get_adapter as get_account_adapter
from allauth.account.internal.flows.login import record_authentication
from allauth.account.internal.flows.reauthentication import resume_request
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp, SocialLogin
from allauth.socialaccount.providers.base.constants import AuthError
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from ipadmin import federation
from ipadmin.audit import activity
from ipadmin.audit.activity import Actor
from ipadmin.models import LinkKind


class Adapter(DefaultAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Accounts are made by administrators only."""
        return False

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Before a password is hashed."""
        if settings.LOCAL_SIGN_IN == "off":
            raise PermissionDenied
        super().pre_authenticate(request, **credentials)

    def pre_login(
        self, request: HttpRequest, user: Any, *, signal_kwargs: Any, **more: Any
    ) -> HttpResponse | None:
        """For every way to sign in. Raises PermissionDenied."""
        if settings.LOCAL_SIGN_IN == "off" and "sociallogin" not in (signal_kwargs or {}):
            raise PermissionDenied
        found: HttpResponse | None = super().pre_login(
            request, user, signal_kwargs=signal_kwargs, **more
        )
        return found

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, Any]]:
        """With the provider that a person without password and second factor signs in with."""
        methods: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        if methods or not federation.can_prove_identity(user):
            return methods
        return [{"id": "oidc", "description": settings.OIDC_NAME, "url": reverse("oidc_prove")}]


class SocialAdapter(DefaultSocialAccountAdapter):
    """Sign-in with the one provider of the settings."""

    def list_apps(
        self, request: HttpRequest, provider: str | None = None, client_id: str | None = None
    ) -> list[SocialApp]:
        """None of the database."""
        return [federation.app()] if federation.is_configured() else []

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Instead of allauth's sign-up: raises ImmediateHttpResponse where nobody is signed in."""
        by = Actor(
            provider=settings.OIDC_NAME,
            source_ip=get_account_adapter(request).get_client_ip(request) or "",
            request_id=getattr(request, "request_id", ""),
        )
        try:
            claims = federation.verified_claims(sociallogin)
            if sociallogin.state.get("proves"):
                federation.require_same_person(sociallogin, claims, request.user)
            else:
                federation.admit(sociallogin, claims, by)
                return
        except federation.Refused as why:
            name = str(sociallogin.user and sociallogin.user.get_username())
            activity.record(LinkKind.SIGN_IN_FAILED, by, name=name, why=str(why))
            self._refuse(request, str(why))
        raise ImmediateHttpResponse(self._resume(request, sociallogin))

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,
        error: Any = AuthError.UNKNOWN,
        exception: Any = None,
        extra_context: Any = None,
    ) -> NoReturn:
        cancelled = "You did not sign in. Nothing was changed."
        text = cancelled if error == AuthError.CANCELLED else federation.NOT_VERIFIED
        self._refuse(request, text)

    def _refuse(self, request: HttpRequest, why: str) -> NoReturn:
        messages.error(request, why)
        raise ImmediateHttpResponse(
            redirect("home" if request.user.is_authenticated else "account_login")
        )

    def _resume(self, request: Any, login: SocialLogin) -> HttpResponse:
        """What waited for the proof of identity that the provider has just given."""
        proof = {"provider": login.account.provider, "uid": login.account.uid}
        record_authentication(request, request.user, "socialaccount", reauthenticated=True, **proof)
        request.GET = request.GET.copy()
        request.GET["next"] = login.state.get("next") or ""
        return resume_request(request) or redirect("home")
