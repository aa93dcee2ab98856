from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest

from ipadmin import __version__, access
from ipadmin.checks import api_host


def environment() -> str:
    return "sandbox" if settings.SANDBOX else "live"


def nonce(request: HttpRequest) -> dict[str, Any]:
    """`csp_nonce`: the name by which django-htmx's tags look for it."""
    return {"csp_nonce": getattr(request, "csp_nonce", "")}


def site(request: HttpRequest) -> dict[str, Any]:
    """What every page shows: on which Katapult it acts, and what this person may do."""
    return {
        "environment": environment(),
        "api_host": api_host(),
        "version": __version__,
        # A request that failed early, by its host for example, has no user.
        "access": access.abilities(getattr(request, "user", None) or AnonymousUser()),
    }
