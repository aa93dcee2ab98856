from __future__ import annotations

from functools import cache

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest

from ipadmin import __version__, access, federation, tasks
from ipadmin.audit.integrity import status
from ipadmin.audit.search import pages
from ipadmin.checks import api_host, is_katapult
from ipadmin.models import AuditVerification, User
from ipadmin.services import notify, oauth, run_lists
from ipadmin.ui import account_texts, navigation, session_texts, themes
from ipadmin.ui.components import Notice


def environment() -> str:
    return "sandbox" if settings.SANDBOX else "live"


# The pages with the warning of a failed verification.
WARNED_PAGES = {"audit", "audit_entry", "audit_export"}


def nonce(request: HttpRequest) -> dict[str, object]:
    """`csp_nonce`: the name that django-htmx's tags use."""
    return {"csp_nonce": getattr(request, "csp_nonce", "")}


def site(request: HttpRequest) -> dict[str, object]:
    """What every page shows: the Katapult API in use, and what the user may do."""
    # A request that failed early, for example because of its host, has no user.
    user: User | AnonymousUser = getattr(request, "user", None) or AnonymousUser()
    abilities = access.abilities(user)
    name = request.resolver_match.url_name if request.resolver_match else ""

    def second_factor_notice() -> Notice | None:
        due_at = getattr(request, "second_factor_due_at", None)
        return account_texts.second_factor_notice(due_at) if due_at else None

    @cache
    def failed_verification() -> AuditVerification | None:
        is_warned = abilities.may_view_history and name in WARNED_PAGES
        return status.unacknowledged() if is_warned or abilities.may_verify_history else None

    open_attempts = cache(lambda: pages.open_attempts(user))

    @cache
    def waiting_count() -> int:
        found = run_lists.waiting_for(user) if isinstance(user, User) else None
        return len(open_attempts()) + (found.count if found else 0)

    return {
        "environment": environment(),
        "api_host": api_host(),
        "is_katapult": is_katapult(),
        "local_sign_in": settings.LOCAL_SIGN_IN != "off",
        "oidc_name": settings.OIDC_NAME if federation.is_configured() else "",
        "can_connect": oauth.is_configured(),
        "version": __version__,
        "idle_timeout": settings.SESSION_IDLE_TIMEOUT,
        "password_notice": session_texts.password_notice(user),
        "theme": themes.chosen(request.COOKIES),
        "themes": lambda: themes.choices(request.COOKIES),
        "access": abilities,
        # Callables: only complete pages use them.
        "navigation": lambda: navigation.links(request, abilities),
        "open_attempts": open_attempts,
        "waiting_count": waiting_count,
        "failed_verification": failed_verification,
        "is_warned": name in WARNED_PAGES,
        "second_factor_notice": second_factor_notice,
        "notifications_fail": lambda: (
            abilities.may_manage_people and settings.NOTIFY_URLS and notify.is_failing()
        ),
        "worker_is_missing": lambda: abilities.may_manage_people and not tasks.worker_is_running(),
    }
