from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable

import structlog
from django.conf import settings
from django.contrib.auth import middleware as auth
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import resolve_url
from django.utils import timezone
from django.utils.cache import patch_cache_control, patch_vary_headers
from django_htmx.http import HttpResponseClientRedirect

from ipadmin.ui import time_zones

GetResponse = Callable[[HttpRequest], HttpResponse]

log = structlog.get_logger("ipadmin.requests")
# What a proxy of ours may name a request; anything else could be written to break a log.
GIVEN_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
PERMISSIONS = (
    "accelerometer=(), browsing-topics=(), camera=(), display-capture=(), geolocation=(), "
    "gyroscope=(), microphone=(), midi=(), payment=(), usb=(), clipboard-write=(self)"
)


def request_id_for(request: HttpRequest) -> str:
    given = request.headers.get("X-Request-Id", "")
    if settings.TRUSTED_PROXY_COUNT > 0 and GIVEN_ID.fullmatch(given):
        return given
    return uuid.uuid4().hex


class RequestLogMiddleware:
    """Gives each request an id, in `request.request_id`, the answer and every line of its log,
    and logs one line for it: never the query string, a header or a form."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.monotonic()
        request_id = request_id_for(request)
        request.request_id = request_id  # type: ignore[attr-defined]
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = self.get_response(request)
            # Only a user somebody already looked up: logging must not query the database.
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


class HeadersMiddleware:
    """What every answer of ours says to browsers and caches. Static files do not pass here."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        patch_cache_control(response, no_store=True, private=True)
        # The same URL gives htmx a part and a browser the whole page.
        patch_vary_headers(response, ["HX-Request"])
        response.headers.setdefault("Permissions-Policy", PERMISSIONS)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        return response


class TimeZoneMiddleware:
    """Activates the reader's time zone while a page is made: that of the browser, or UTC.

    The content of streaming responses is made later, in UTC.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with timezone.override(time_zones.readers_zone(request.COOKIES)):
            return self.get_response(request)


class LoginRequiredMiddleware(auth.LoginRequiredMiddleware):
    """Every view needs a sign-in unless it says login_not_required.

    A redirect would be followed by htmx itself and the sign-in page land in a dialog: it is told
    to take the whole browser there, and back to the page it was on.
    """

    def handle_no_permission(  # type: ignore[override]
        self, request: HttpRequest, view_func: Callable[..., HttpResponseBase]
    ) -> HttpResponseBase:
        if not request.htmx:  # type: ignore[attr-defined]
            return super().handle_no_permission(request, view_func)
        page = request.htmx.current_url_abs_path or "/"  # type: ignore[attr-defined]
        login = redirect_to_login(page, resolve_url(settings.LOGIN_URL))
        return HttpResponseClientRedirect(login.url)
