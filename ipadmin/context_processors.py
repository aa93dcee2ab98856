from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest

from ipadmin import __version__, access, tasks
from ipadmin.audit.search import pages
from ipadmin.checks import api_host
from ipadmin.models import User


def environment() -> str:
    return "sandbox" if settings.SANDBOX else "live"


def nonce(request: HttpRequest) -> dict[str, Any]:
    """`csp_nonce`: the name by which django-htmx's tags look for it."""
    return {"csp_nonce": getattr(request, "csp_nonce", "")}


def site(request: HttpRequest) -> dict[str, Any]:
    """What every page shows: on which Katapult it acts, and what this person may do."""
    # A request that failed early, by its host for example, has no user.
    user: User | AnonymousUser = getattr(request, "user", None) or AnonymousUser()
    abilities = access.abilities(user)
    return {
        "environment": environment(),
        "api_host": api_host(),
        "version": __version__,
        "access": abilities,
        # Callables: only a whole page asks for them.
        "open_attempts": lambda: pages.open_attempts(user),
        "worker_is_missing": lambda: abilities.may_manage_people and not tasks.worker_is_running(),
    }
