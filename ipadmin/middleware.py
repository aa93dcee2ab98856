from __future__ import annotations

import codecs
import re
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import structlog
from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.reauthentication import suspend_request
from allauth.core.exceptions import ReauthenticationRequired
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import middleware as auth
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import BadRequest, RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render, resolve_url
from django.utils import timezone
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.utils.deprecation import MiddlewareMixin
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django_htmx.http import HttpResponseClientRedirect

from ipadmin import factors, hashers
from ipadmin.adapter import client_address
from ipadmin.sessions import Ended
from ipadmin.ui import session_texts, time_zones

GetResponse = Callable[[HttpRequest], HttpResponse]

log = structlog.get_logger("ipadmin.requests")
# Request ids of clients and proxies that are logged. Other characters could corrupt a log.
GIVEN_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
# No form of the site is larger, and none takes a file.
MAX_BODY_BYTES = 1024 * 1024
# What a person without a second factor may use after the time to set one up, beside their account.
WITHOUT_FACTOR = {"theme", "time_zone", "times", "healthz"}
# What a request that waits for a proof of identity does not need: it is answered with a whole page.
NOT_KEPT = ("HTTP_HX_", "HTTP_COOKIE", "QUERY_STRING")
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
    """Gives each request a new id, in `request.request_id`, in the response and in each log line,
    and logs one line for it, without query string, headers and form data. An id that the client or
    a proxy sent is logged in that line only."""

    def middleware(request: HttpRequest) -> HttpResponse:
        started = time.monotonic()
        given = request.headers.get("X-Request-Id", "")
        request_id = uuid.uuid4().hex
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
                user_name=user.get_username() if user else "",
                source_ip=client_address(request),
                client_request_id=given if GIVEN_ID.fullmatch(given) else "",
            )
        response.headers["X-Request-Id"] = request_id
        return response

    return middleware


def refuse_malformed(get_response: GetResponse) -> GetResponse:
    """Answers 400 to a body that is too large or not UTF-8, before anything reads it, and removes
    an invalid URL that htmx names as the page."""

    def middleware(request: HttpRequest) -> HttpResponse:
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
            raise RequestDataTooBig(f"A request has at most {MAX_BODY_BYTES:,} bytes.")
        if not _is_utf8(request.content_params or {}):
            raise BadRequest("A form is sent as UTF-8.")
        try:
            _ = urlsplit(request.META.get("HTTP_HX_CURRENT_URL", "")).port
        except ValueError:
            del request.META["HTTP_HX_CURRENT_URL"]
            # Was made of META, and is made again.
            request.__dict__.pop("headers", None)
        return get_response(request)

    return middleware


def _is_utf8(content_params: Mapping[str, str]) -> bool:
    try:
        return codecs.lookup(content_params.get("charset", "utf-8")).name == "utf-8"
    except (LookupError, ValueError):
        return False


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


class IdentityMiddleware(MiddlewareMixin):
    """Asks for a proof of identity where a view raises IdentityRequired, and for a second factor
    where one is required. htmx would show either inside the page, so the browser goes there."""

    def process_view(self, request: Any, *_view: object) -> HttpResponse | None:
        """After the time to set up a second factor, only that is left."""
        if not request.user.is_authenticated:
            return None
        request.second_factor_due_at = due_at = factors.due_at(request.user)
        is_exempt = request.resolver_match.url_name in WITHOUT_FACTOR
        is_account = request.path_info.startswith(("/account/", "/accounts/"))
        if due_at is None or timezone.now() < due_at or is_exempt or is_account:
            return None
        return _go_to(request, resolve_url("account"))

    def process_exception(self, request: Any, exception: Exception) -> HttpResponse | None:
        """A POST is kept in the session, and carried out after the proof."""
        if not isinstance(exception, ReauthenticationRequired):
            return None
        ways = get_adapter(request).get_reauthentication_methods(request.user)
        if not ways:
            return render(request, "ipadmin/no_proof.html", status=403)
        if page := getattr(exception, "page", ""):
            return _go_to(request, f"{ways[0]['url']}?{urlencode({'next': page})}")
        if request.method == "POST":
            meta = request.META.items()
            request.META = {name: value for name, value in meta if not name.startswith(NOT_KEPT)}
        return _go_to(request, suspend_request(request, ways[0]["url"])["Location"])


class SessionRulesMiddleware(MiddlewareMixin):
    """Starts the idle timeout anew with each request of a person, leads to the change of a password
    that someone else has set, and answers when too many passwords are being checked."""

    def process_view(self, request: Any, *_view: object) -> HttpResponse | None:
        user = request.user
        if not user.is_authenticated:
            return None
        if BACKGROUND not in request.headers:
            request.session.touch()
        is_exempt = request.resolver_match.url_name in BEFORE_PASSWORD_CHANGE
        if is_exempt or session_texts.password_notice(user) is None:
            return None
        return _go_to(request, resolve_url("account_change_password"))

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        from ipadmin.views import site  # noqa: PLC0415 - imports this module

        return site.busy(request) if isinstance(error, hashers.Busy) else None


def _go_to(request: Any, url: str) -> HttpResponse:
    return HttpResponseClientRedirect(url) if request.htmx else redirect(url)
