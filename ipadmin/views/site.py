"""Start page, health check, choice of time zone, and error pages."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render, resolve_url
from django.template.loader import render_to_string
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.csrf import requires_csrf_token
from django.views.decorators.http import require_POST, require_safe

from ipadmin import access
from ipadmin.access import SignedInRequest
from ipadmin.audit.search import pages
from ipadmin.checks import api_host
from ipadmin.context_processors import environment
from ipadmin.middleware import previous_page
from ipadmin.services import run_lists
from ipadmin.ui import themes
from ipadmin.ui.components import Linked
from ipadmin.ui.time_zones import CHOICE_COOKIE, TIMES_COOKIE
from ipadmin.views.parts import wants_part

PLAIN = "text/plain; charset=utf-8"
YEAR = 365 * 24 * 60 * 60


@require_safe
def home(request: SignedInRequest) -> HttpResponse:
    """To what waits for the user, or else the first page that the user's role may see."""
    abilities = access.abilities(request.user)
    if abilities.may_unallocate:
        is_waiting = pages.open_attempts(request.user) or run_lists.waiting_for(request.user).count
        return redirect("waiting" if is_waiting else "addresses_home")
    if abilities.may_view_history:
        return redirect("audit")
    if abilities.may_manage_people:
        return redirect("people")
    return render(request, "ipadmin/no_role.html")


@require_safe
@login_not_required
def healthz(request: HttpRequest) -> HttpResponse:
    """200 if the database answers and has every migration, else 503; plain text for probes."""
    try:
        applied = MigrationRecorder(connection).applied_migrations()
    except DatabaseError:
        return HttpResponse("the database does not answer\n", PLAIN, 503)
    if not _migrations() <= applied.keys():
        return HttpResponse("migrations are missing\n", PLAIN, 503)
    return HttpResponse("ok\n", PLAIN)


@cache
def _migrations() -> frozenset[tuple[str, str]]:
    """Every migration of the installed code."""
    return frozenset(MigrationLoader(None).disk_migrations)


@require_POST
def time_zone(request: HttpRequest) -> HttpResponse:
    """Show times in UTC (`choice=utc`) or in the browser's zone; then back to the page `next`."""
    return _preference(request, CHOICE_COOKIE, ("utc",))


@require_POST
def times(request: HttpRequest) -> HttpResponse:
    """Show times as they are (`choice=absolute`) or how long ago they were; then back to `next`."""
    return _preference(request, TIMES_COOKIE, ("absolute",))


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Use a light or dark theme (`choice`), or else that of the system; then back to `next`."""
    return _preference(request, themes.THEME_COOKIE, tuple(themes.THEMES))


def _preference(request: HttpRequest, cookie: str, choices: tuple[str, ...]) -> HttpResponse:
    """Store a choice in a cookie; any other choice removes the cookie."""
    page = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(
        page, {request.get_host()}, require_https=request.is_secure()
    )
    answer = HttpResponseRedirect(page if is_ours else resolve_url("home"))
    choice = request.POST.get("choice", "")
    if choice in choices:
        secure = settings.SESSION_COOKIE_SECURE
        answer.set_cookie(cookie, choice, YEAR, secure=secure, httponly=True, samesite="Lax")
    else:
        answer.delete_cookie(cookie, samesite="Lax")
    return answer


def _error_page(
    status: int, title: str, message: str, icon: str = "triangle-alert", *, next_step: str = ""
) -> Callable[..., HttpResponse]:
    """A view that shows an error; for htmx only the message. `next_step` (`reload`, `search` or
    none) is a button beside the one to the start page."""

    @requires_csrf_token
    def view(request: HttpRequest, *_args: object, **_reason: object) -> HttpResponse:
        template = "_error.html" if wants_part(request) else "error.html"
        context = _context(request, title, message) | {"icon": icon}
        if next_step == "reload":
            page = previous_page(request) or request.get_full_path()
            context["step"] = Linked("Reload the page", page)
        elif next_step == "search":
            context["step"] = Linked("Search", resolve_url("search"))
        return render(request, f"ipadmin/{template}", context, status=status)

    return view


def _context(request: HttpRequest, title: str, message: str) -> dict[str, object]:
    request_id = getattr(request, "request_id", "")
    return {"title": title, "message": message, "request_id": request_id}


bad_request = _error_page(400, "Invalid request", "Nothing was changed. Go back and try again.")
permission_denied = _error_page(
    403,
    "Your role does not allow this",
    "Nothing was changed. Ask the administrator of this site for the role that you need.",
    "lock",
)
page_not_found = _error_page(
    404,
    "Page not found",
    "This page does not exist, or you may not see it. Nothing was changed.",
    "file-search",
    next_step="search",
)
csrf_failure = _error_page(
    403,
    "This form is no longer valid",
    "Nothing was changed. You may have signed in or out in another tab, or your browser blocks "
    "cookies. Reload the page and try again.",
    next_step="reload",
)
# Too many passwords are being checked; see ipadmin/hashers.py.
busy = _error_page(
    503,
    "Too many people are signing in",
    "Your password was not checked, and nothing was changed. Wait a moment, then try again.",
    "clock",
    next_step="reload",
)
# allauth's page for too many changes of a password, or attempts with a passkey.
too_many_requests = login_not_required(
    _error_page(
        429,
        "Too many attempts",
        "Nothing was changed. You can try again in 15 minutes at the latest.",
        "clock",
        next_step="reload",
    )
)


def server_error(request: HttpRequest) -> HttpResponse:
    """Rendered without the request, so that it needs neither database nor session."""
    message = (
        "If you were unallocating an address, check the history before you try again: it shows "
        "whether a request was sent to Katapult."
    )
    context = _context(request, "An internal error occurred", message) | {
        "theme": themes.chosen(request.COOKIES),
        "environment": environment(),
        "api_host": api_host(),
    }
    template = "ipadmin/_error.html" if wants_part(request) else "500.html"
    return HttpResponse(render_to_string(template, context), status=500)
