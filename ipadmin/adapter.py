"""allauth's settings in code: what this site does not offer is switched off."""

from __future__ import annotations

import base64
import secrets
from typing import Any, NoReturn

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import record_authentication
from allauth.account.internal.flows.reauthentication import resume_request
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.core.internal.httpkit import clean_client_ip, get_client_ip
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp, SocialLogin
from allauth.socialaccount.providers.base.constants import AuthError
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ImproperlyConfigured, PermissionDenied, ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from ipadmin import access, crypto, federation, hashers
from ipadmin.audit import activity
from ipadmin.audit.activity import Actor
from ipadmin.katapult.types import Secret
from ipadmin.models import LinkKind
from ipadmin.services import lockouts
from ipadmin.ui import account_texts, session_texts

# Of the secrets of second factors: none can be decrypted as an API token, or the other way around.
BOUND_TO = "second factor"
# The secrets in the data of an authenticator.
SECRETS = frozenset({"secret", "seed"})


def client_address(request: HttpRequest) -> str:
    """The client's IP address as the outermost trusted proxy saw it; empty if it is not known.

    With TRUSTED_PROXY_COUNT, that is the address that so many proxies have added to; a request with
    fewer addresses has not passed all of them, and then only the nearest proxy is believed.
    """
    try:
        return get_client_ip(request) or ""
    except ImproperlyConfigured:
        nearest = request.headers.get("X-Forwarded-For", "").rpartition(",")[2]
        return clean_client_ip(nearest) or request.META.get("REMOTE_ADDR", "")


class Adapter(DefaultAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Accounts are made by administrators only."""
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        return client_address(request)

    def is_reauthentication_required(self, *, app: str, **kwargs: object) -> bool:
        """For second factors, the same proof of identity as for every dangerous step: unlike
        allauth's own, a sign-in counts, and nobody is exempt. Raises ReauthenticationRequired."""
        access.require_identity(self.request, within=settings.REAUTHENTICATE_AFTER)
        return False

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, str]]:
        """Where to prove one's identity, the best way first; with the provider for a person with
        neither password nor second factor, who signs in there."""
        methods = super().get_reauthentication_methods(user)
        if methods or not federation.can_prove_identity(user):
            return account_texts.ways_to_prove_identity(methods)
        return [{"id": "oidc", "description": settings.OIDC_NAME, "url": reverse("oidc_prove")}]

    def respond_user_inactive(self, request: HttpRequest, user: object) -> HttpResponse:
        """As for a wrong password."""
        messages.error(request, account_texts.NO_SIGN_IN)
        return redirect("account_login")

    def pre_authenticate(self, request: Any, **credentials: Any) -> None:
        """Before a password is hashed: count a guess, in place of allauth's limit, which locks an
        account for everyone. Raises PermissionDenied where there is no local sign-in."""
        if settings.LOCAL_SIGN_IN == "off":
            raise PermissionDenied
        name = credentials.get("username", "")
        try:
            request.guess = lockouts.begin(name, self.get_client_ip(request))
        except lockouts.TooMany as error:
            text = session_texts.too_many_passwords(error.seconds)
            raise ValidationError(text, code="too_many_login_attempts") from error

    def authenticate(self, request: Any, **credentials: Any) -> AbstractBaseUser | None:
        try:
            user = super().authenticate(request, **credentials)
        except hashers.Busy:
            lockouts.withdraw(request.guess)
            raise
        if user:
            lockouts.withdraw(request.guess)
        return user

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


class MfaAdapter(DefaultMFAAdapter):
    """Second factors: their secrets are encrypted like API tokens."""

    def encrypt(self, text: str) -> str:
        return base64.b64encode(crypto.encrypt(Secret(text), bound_to=BOUND_TO)).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """Raises ValidationError: without the key, every code is wrong."""
        try:
            encrypted = base64.b64decode(encrypted_text)
            return crypto.decrypt(encrypted, bound_to=BOUND_TO).reveal()
        except (crypto.CannotDecrypt, ValueError) as error:
            raise self.validation_error("incorrect_code") from error

    def get_totp_label(self, user: Any) -> str:
        return str(user.get_username())

    def generate_authenticator_name(self, user: Any, type: str) -> str:
        number = Authenticator.objects.filter(user=user, type=type).count() + 1
        return "Passkey" if number == 1 else f"Passkey {number}"


def encrypted_secrets(authenticator: Authenticator) -> list[bytes]:
    """The encrypted secrets of a second factor; a passkey has none."""
    return [
        base64.b64decode(authenticator.data[name]) for name in SECRETS & authenticator.data.keys()
    ]


def encrypt_again(authenticator_id: int) -> None:
    """Encrypt the secrets of a second factor with the newest key. Raises CannotDecrypt."""
    with transaction.atomic():
        # Locked: a recovery code that is used at the same time stays used.
        found = Authenticator.objects.select_for_update().get(pk=authenticator_id)
        for name in SECRETS & found.data.keys():
            secret = crypto.decrypt(base64.b64decode(found.data[name]), bound_to=BOUND_TO)
            found.data[name] = MfaAdapter().encrypt(secret.reveal())
        found.save(update_fields=["data"])


class SocialAdapter(DefaultSocialAccountAdapter):
    """Sign-in with the one provider of the settings."""

    def list_apps(
        self, request: HttpRequest, provider: str | None = None, client_id: str | None = None
    ) -> list[SocialApp]:
        """None of the database."""
        return [federation.app()] if federation.is_configured() else []

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Instead of allauth's sign-up: raises ImmediateHttpResponse where nobody is signed in."""
        by = _provider(request)
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
        if error == AuthError.CANCELLED:
            self._refuse(request, cancelled)
        # With a limit: anyone can cause this.
        if lockouts.records_left_without_account():
            by = _provider(request)
            activity.record(LinkKind.SIGN_IN_FAILED, by, why=federation.NOT_VERIFIED)
        self._refuse(request, federation.NOT_VERIFIED)

    def generate_state_param(self, state: object) -> str:
        """256 bits instead of allauth's 95."""
        return secrets.token_urlsafe(32)

    def get_requests_session(self) -> Any:
        """Secrets go to the provider only: not to a proxy of the environment."""
        session = super().get_requests_session()  # type: ignore[no-untyped-call]
        session.trust_env = False
        return session

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


def _provider(request: HttpRequest) -> Actor:
    return Actor(
        provider=settings.OIDC_NAME,
        source_ip=client_address(request),
        request_id=getattr(request, "request_id", ""),
    )
