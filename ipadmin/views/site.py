"""Whether the site can serve, and what it says when something is wrong."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render, resolve_url
from django.template.loader import render_to_string
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.csrf import requires_csrf_token
from django.views.decorators.http import require_POST, require_safe

from ipadmin.ui.time_zones import CHOICE_COOKIE

PLAIN = "text/plain; charset=utf-8"
YEAR = 365 * 24 * 60 * 60


@require_safe
@login_not_required
def healthz(request: HttpRequest) -> HttpResponse:
    """200 as long as the database answers and has every migration; for probes, not people."""
    try:
        applied = MigrationRecorder(connection).applied_migrations()
    except DatabaseError:
        return HttpResponse("the database does not answer\n", PLAIN, 503)
    if not _migrations() <= applied.keys():
        return HttpResponse("migrations are missing\n", PLAIN, 503)
    return HttpResponse("ok\n", PLAIN)


@cache
def _migrations() -> frozenset[tuple[str, str]]:
    """Those this code comes with: they cannot change while it runs."""
    return frozenset(MigrationLoader(None).disk_migrations)


@require_POST
def time_zone(request: HttpRequest) -> HttpResponse:
    """Show this browser's times in UTC, or in its own zone again; then back to the page."""
    page = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(
        page, {request.get_host()}, require_https=request.is_secure()
    )
    answer = HttpResponseRedirect(page if is_ours else resolve_url("home"))
    if request.POST.get("choice") == "utc":
        secure = settings.SESSION_COOKIE_SECURE
        answer.set_cookie(CHOICE_COOKIE, "utc", YEAR, secure=secure, httponly=True, samesite="Lax")
    else:
        answer.delete_cookie(CHOICE_COOKIE, samesite="Lax")
    return answer


@requires_csrf_token
def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _problem(
        request, 400, "This request cannot be read", "Nothing was changed. Go back and try again."
    )


@requires_csrf_token
def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _problem(
        request,
        403,
        "Your role does not allow this",
        "Nothing was changed. An administrator can give you the role it needs.",
    )


@requires_csrf_token
def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _problem(
        request,
        404,
        "There is nothing here",
        "What you look for does not exist, or is not yours to see. Nothing was changed.",
    )


@requires_csrf_token
def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return _problem(
        request,
        403,
        "This form is no longer valid",
        "Nothing was changed. You may have signed in or out meanwhile, or your browser refuses "
        "cookies: reload the page and try again.",
        page="csrf.html",
    )


@login_not_required
@requires_csrf_token
def too_many_requests(request: HttpRequest) -> HttpResponse:
    """allauth's answer to too many sign-ins from one place."""
    return _problem(
        request,
        429,
        "Too many attempts",
        "Nothing was changed. Wait a minute, then try again.",
    )


def server_error(request: HttpRequest) -> HttpResponse:
    """Rendered without the request: whatever broke, this asks no database and no session."""
    context = _context(
        request,
        "Something went wrong on our side",
        "Whatever you tried is in the audit history if Katapult was asked for it. Look there "
        "before you try again.",
    )
    template = "ipadmin/_error.html" if _wants_part(request) else "500.html"
    return HttpResponse(render_to_string(template, context), status=500)


def _problem(
    request: HttpRequest, status: int, title: str, message: str, *, page: str = ""
) -> HttpResponse:
    """A page, or for htmx the part that it swaps in where the eye is; same status."""
    template = "ipadmin/_error.html" if _wants_part(request) else page or f"{status}.html"
    return render(request, template, _context(request, title, message), status=status)


def _context(request: HttpRequest, title: str, message: str) -> dict[str, Any]:
    request_id = getattr(request, "request_id", "")
    return {"title": title, "message": message, "request_id": request_id}


def _wants_part(request: HttpRequest) -> bool:
    """From the headers: a request that failed early never met the htmx middleware."""
    headers = request.headers
    whole = "HX-Boosted" in headers or "HX-History-Restore-Request" in headers
    return headers.get("HX-Request") == "true" and not whole
