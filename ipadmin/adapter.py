"""allauth's settings in code: what this site does not offer is switched off."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from ipadmin import hashers
from ipadmin.services import lockouts
from ipadmin.ui import session_texts


class Adapter(DefaultAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Accounts are made by administrators only."""
        return False

    def pre_authenticate(self, request: Any, **credentials: Any) -> None:
        """Count a guess; in place of allauth's limit, which locks an account for everyone."""
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
