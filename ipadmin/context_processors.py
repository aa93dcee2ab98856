from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest

from ipadmin import __version__, access, tasks
from ipadmin.audit.search import pages
from ipadmin.checks import api_host
from ipadmin.models import User
from ipadmin.ui import navigation, themes


def environment() -> str:
    return "sandbox" if settings.SANDBOX else "live"


def nonce(request: HttpRequest) -> dict[str, object]:
    """`csp_nonce`: the name that django-htmx's tags use."""
    return {"csp_nonce": getattr(request, "csp_nonce", "")}


def site(request: HttpRequest) -> dict[str, object]:
    """What every page shows: the Katapult API in use, and what the user may do."""
    # A request that failed early, for example because of its host, has no user.
    user: User | AnonymousUser = getattr(request, "user", None) or AnonymousUser()
    abilities = access.abilities(user)
    return {
        "environment": environment(),
        "api_host": api_host(),
        "version": __version__,
        "theme": themes.chosen(request.COOKIES),
        "access": abilities,
        # Callables: only complete pages use them.
        "navigation": lambda: navigation.links(request, abilities),
        "open_attempts": lambda: pages.open_attempts(user),
        "worker_is_missing": lambda: abilities.may_manage_people and not tasks.worker_is_running(),
    }
