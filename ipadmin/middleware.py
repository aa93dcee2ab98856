from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable
from typing import Any

import structlog
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import middleware as auth
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, resolve_url
from django.utils import timezone
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django_htmx.http import HttpResponseClientRedirect

from ipadmin import hashers
from ipadmin.sessions import Ended
from ipadmin.ui import session_texts, time_zones

GetResponse = Callable[[HttpRequest], HttpResponse]

log = structlog.get_logger("ipadmin.requests")
# Request ids accepted from a trusted proxy. Other characters could corrupt a log.
GIVEN_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
# A request that the page makes by itself, such as polling: static/ipadmin/idle.js adds the header.
BACKGROUND = "X-Background"
# What a person whose password someone else has set may use before they change it.
BEFORE_PASSWORD_CHANGE = {
    *("account_change_password", "account_logout", "stay", "theme", "time_zone", "times"),
}
PERMISSIONS = (
    "accelerometer=(), browsing-topics=(), camera=(), display-capture=(), geolocation=(), "
    "gyroscope=(), microphone=(), midi=(), payment=(), usb=(), clipboard-write=(self)"
)


def log_requests(get_response: GetResponse) -> GetResponse:
    """Gives each request an id, in `request.request_id`, in the response and in each log line, and
    logs one line for it, without query string, headers and form data."""

    def middleware(request: HttpRequest) -> HttpResponse:
        started = time.monotonic()
        given = request.headers.get("X-Request-Id", "")
        is_trusted = settings.TRUSTED_PROXY_COUNT > 0 and GIVEN_ID.fullmatch(given)
        request_id = given if is_trusted else uuid.uuid4().hex
        request.request_id = request_id  # type: ignore[attr-defined]
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = get_response(request)
            # Only a user that was already loaded: logging must not query the database.
            user = getattr(request, "_cached_user", None)
            log.info(
                "request",
                method=request.method,
                path=request.path,
                status=response.status_code,
                duration_ms=round((time.monotonic() - started) * 1000, 1),
                user=getattr(user, "pk", None),
            )
        response.headers["X-Request-Id"] = request_id
        return response

    return middleware


def add_headers(get_response: GetResponse) -> GetResponse:
    """Headers of all responses, except of static files."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        patch_cache_control(response, no_store=True, private=True)
        # For the same URL, htmx gets a partial and browsers get the whole page.
        patch_vary_headers(response, ["HX-Request"])
        response.headers.setdefault("Permissions-Policy", PERMISSIONS)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        return response

    return middleware


def activate_time_zone(get_response: GetResponse) -> GetResponse:
    """Activates the reader's time zone while a page is made: that of the browser, or UTC. The
    content of streaming responses is made later, in UTC."""

    def middleware(request: HttpRequest) -> HttpResponse:
        with timezone.override(time_zones.readers_zone(request.COOKIES)):
            return get_response(request)

    return middleware


def previous_page(request: HttpRequest) -> str:
    """The page of this site that a request comes from, for example that of a form; else empty."""
    page = request.headers.get("Referer", "")
    is_ours = url_has_allowed_host_and_scheme(
        page, {request.get_host()}, require_https=request.is_secure()
    )
    return page if is_ours else ""


class LoginRequiredMiddleware(auth.LoginRequiredMiddleware):
    """Each view requires a sign-in unless it is decorated with login_not_required.

    htmx would follow a redirect and show the sign-in page inside the page, so its response makes
    the browser go there, and back afterwards. A form that was sent after the end of the session is
    shown again after the sign-in, with the reason that was typed.
    """

    def handle_no_permission(  # type: ignore[override]
        self, request: Any, _view: Callable[..., HttpResponseBase]
    ) -> HttpResponseBase:
        is_htmx, is_form = bool(request.htmx), request.method == "POST"
        # A browser forgets the cookie when the session expires.
        ended = request.session.ended or (Ended.EXPIRED if is_htmx or is_form else None)
        if ended:
            messages.warning(request, session_texts.why_ended(ended))
        page = (is_form and previous_page(request)) or request.get_full_path()
        reason = request.POST.get("reason", "") if is_form else ""
        if reason:
            page = f"{request.path}?{urlencode({'reason': reason})}"
        elif is_htmx:
            page = request.htmx.current_url_abs_path or "/"
        login = redirect_to_login(page, resolve_url(settings.LOGIN_URL))
        return HttpResponseClientRedirect(login.url) if is_htmx else login


class SessionRulesMiddleware:
    """Starts the idle timeout anew with each request of a person, leads to the change of a password
    that someone else has set, and answers when too many passwords are being checked."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: Any, *_view: object) -> HttpResponse | None:
        user = request.user
        if not user.is_authenticated:
            return None
        if BACKGROUND not in request.headers:
            request.session.touch()
        is_exempt = request.resolver_match.url_name in BEFORE_PASSWORD_CHANGE
        if is_exempt or session_texts.password_notice(user) is None:
            return None
        page = resolve_url("account_change_password")
        return HttpResponseClientRedirect(page) if request.htmx else redirect(page)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        from ipadmin.views import site  # noqa: PLC0415 - imports this module

        return site.busy(request) if isinstance(error, hashers.Busy) else None
