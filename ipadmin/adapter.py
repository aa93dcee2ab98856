"""allauth's settings in code: what this site does not offer is switched off."""

from __future__ import annotations

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.internal.httpkit import clean_client_ip, get_client_ip
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest


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
