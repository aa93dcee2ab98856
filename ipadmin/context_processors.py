from __future__ import annotations

from collections.abc import Callable
from typing import TypedDict

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest

from ipadmin import __version__, access, tasks
from ipadmin.audit.search import pages
from ipadmin.checks import api_host
from ipadmin.models import User


class SiteContext(TypedDict):
    """Callables are evaluated by templates of whole pages only."""

    environment: str
    api_host: str
    version: str
    access: access.Abilities
    open_attempts: Callable[[], object]
    worker_is_missing: Callable[[], bool]


def environment() -> str:
    return "sandbox" if settings.SANDBOX else "live"


def nonce(request: HttpRequest) -> dict[str, str]:
    """`csp_nonce` is the name that django-htmx's tags use."""
    return {"csp_nonce": getattr(request, "csp_nonce", "")}


def site(request: HttpRequest) -> SiteContext:
    """What every page shows: the API it is connected to, and the user's abilities."""
    # A request that was rejected early, for example for its host, has no user.
    user: User | AnonymousUser = getattr(request, "user", None) or AnonymousUser()
    abilities = access.abilities(user)
    return {
        "environment": environment(),
        "api_host": api_host(),
        "version": __version__,
        "access": abilities,
        "open_attempts": lambda: pages.open_attempts(user),
        "worker_is_missing": lambda: abilities.may_manage_people and not tasks.worker_is_running(),
    }
