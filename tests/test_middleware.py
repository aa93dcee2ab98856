from __future__ import annotations

import logging
import re
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from pytest_django import Settings

from config import logging as site_logging
from ipadmin.middleware import activate_time_zone, add_headers
from ipadmin.models import User
from ipadmin.templatetags.ipadmin import zone_name
from ipadmin.views import site
from tests.conftest import ClientOf

HTMX = {"HX-Request": "true"}
pytestmark = pytest.mark.django_db


def log_of(caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    """The line of the one request made."""
    [record] = [record for record in caplog.records if record.name == "ipadmin.requests"]
    assert isinstance(record.msg, dict)
    return record.msg


def test_every_response_has_a_new_request_id(client: Client) -> None:
    answer = client.get("/healthz", headers={"X-Request-Id": "from-a-stranger"})
    assert re.fullmatch("[0-9a-f]{32}", answer["X-Request-Id"])


@pytest.mark.parametrize(
    ("given", "logged"),
    [("from-the_proxy-1", "from-the_proxy-1"), ("short", ""), ("x" * 65, ""), ("a\tb<script>", "")],
)
def test_the_request_id_of_a_client_is_only_logged(
    client: Client, settings: Settings, caplog: pytest.LogCaptureFixture, given: str, logged: str
) -> None:
    settings.TRUSTED_PROXY_COUNT = 1
    with caplog.at_level(logging.INFO):
        answer = client.get("/healthz", headers={"X-Request-Id": given})
    line = log_of(caplog)
    assert re.fullmatch("[0-9a-f]{32}", answer["X-Request-Id"])
    assert (line["request_id"], line["client_request_id"]) == (answer["X-Request-Id"], logged)


def test_each_request_is_logged_once_without_its_query(
    alice: User, client_of: ClientOf, caplog: pytest.LogCaptureFixture
) -> None:
    client = client_of(alice)
    with caplog.at_level(logging.INFO):
        answer = client.get("/healthz?secret=hush", headers={"Authorization": "Bearer hush"})
    line = log_of(caplog)
    assert line | {"duration_ms": 0, "timestamp": ""} == {
        "event": "request",
        "logger": "ipadmin.requests",
        "level": "info",
        "timestamp": "",
        "method": "GET",
        "path": "/healthz",
        "status": 200,
        "duration_ms": 0,
        "user": alice.pk,
        "user_name": "alice",
        "source_ip": "127.0.0.1",
        "client_request_id": "",
        "request_id": answer["X-Request-Id"],
    }
    assert "hush" not in caplog.text


def test_a_header_or_form_logged_by_mistake_is_hidden() -> None:
    event = {
        "event": "x",
        "headers": {"Authorization": "hush"},
        "form": "hush",
        "call": {"authorization": "hush", "status": 200},
    }
    hidden = site_logging.hide(None, "info", event)
    assert "hush" not in str(hidden)
    assert hidden["call"] == {"authorization": site_logging.HIDDEN, "status": 200}


def test_an_error_report_shows_no_form_no_local_variable_and_no_secret(
    rf: RequestFactory, settings: Settings
) -> None:
    settings.NOTIFY_URLS = ["json://hush"]
    reporter = site_logging.ReporterFilter()
    request = rf.post("/", {"secret": "hush"})
    assert "hush" not in str(reporter.get_post_parameters(request))
    assert list(reporter.get_traceback_frame_variables(request, None)) == []  # type: ignore[arg-type]
    assert "hush" not in str(reporter.get_safe_settings()["NOTIFY_URLS"])


def test_no_page_is_kept_by_a_cache(alice: User, client_of: ClientOf) -> None:
    answer = client_of(alice).get("/")
    assert {"no-store", "private"} <= set(answer["Cache-Control"].split(", "))
    assert "HX-Request" in answer["Vary"]


def test_vary_is_extended_and_not_replaced() -> None:
    middleware = add_headers(lambda _request: HttpResponse(headers={"Vary": "Accept"}))
    assert middleware(HttpRequest())["Vary"] == "Accept, HX-Request"


def test_the_security_headers_of_a_response(client: Client) -> None:
    answer = client.get("/healthz")
    policy = answer["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "camera=()" in answer["Permissions-Policy"]
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_each_page_has_its_own_nonce(alice: User, client_of: ClientOf) -> None:
    client = client_of(alice)
    policies = {client.get("/missing")["Content-Security-Policy"] for _ in range(2)}
    assert len(policies) == 2
    assert all("'nonce-" in policy for policy in policies)


@pytest.mark.parametrize(
    ("cookies", "zone"),
    [
        ({}, "UTC"),
        ({"timezone": "Europe/Berlin"}, "Europe/Berlin"),
        ({"timezone": "Europe/Berlin", "timezone_choice": "utc"}, "UTC"),
        ({"timezone": "../../etc/passwd"}, "UTC"),
        ({"timezone": "\x00"}, "UTC"),
        ({"timezone": "x" * 8000}, "UTC"),
    ],
)
def test_the_time_zone_is_active_for_one_request_only(cookies: dict[str, str], zone: str) -> None:
    request = HttpRequest()
    request.COOKIES = cookies
    middleware = activate_time_zone(lambda _: HttpResponse(zone_name()))
    assert middleware(request).text == zone
    assert zone_name() == "UTC"


def test_log_times_are_utc(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    client.cookies["timezone"] = "Asia/Kolkata"
    with caplog.at_level(logging.INFO):
        client.get("/healthz")
    assert log_of(caplog)["timestamp"].endswith("Z")


def test_a_page_redirects_to_sign_in_and_back(client: Client) -> None:
    answer = client.get("/audit/?outcome=failed")
    assert answer.status_code == 302
    assert answer["Location"] == "/accounts/login/?next=/audit/%3Foutcome%3Dfailed"


def test_htmx_is_redirected_to_sign_in_instead_of_a_dialog(client: Client) -> None:
    page = "http://testserver/tokens/?a=b"
    answer = client.get("/audit/", headers=HTMX | {"HX-Current-URL": page})
    assert answer.status_code == 200
    assert answer["HX-Redirect"] == "/accounts/login/?next=/tokens/%3Fa%3Db"
    assert answer.content == b""


def test_htmx_is_never_redirected_to_another_site(client: Client) -> None:
    headers = HTMX | {"HX-Current-URL": "https://evil.example.com/x"}
    answer = client.get("/audit/", headers=headers)
    assert answer["HX-Redirect"] == "/accounts/login/?next=/"


def test_an_unknown_url_answers_404(alice: User, client_of: ClientOf) -> None:
    answer = client_of(alice).get("/missing")
    assert answer.status_code == 404
    assert answer["X-Request-Id"] in answer.text
    assert "<html" in answer.text


def test_an_error_in_a_dialog_is_a_partial(alice: User, client_of: ClientOf) -> None:
    client = client_of(alice)
    answer = client.get("/missing", headers=HTMX)
    assert answer.status_code == 404
    assert "<html" not in answer.text
    assert answer["X-Request-Id"] in answer.text
    for whole in ("HX-Boosted", "HX-History-Restore-Request"):
        assert "<html" in client.get("/missing", headers=HTMX | {whole: "true"}).text


def test_a_form_without_a_csrf_token_answers_403(alice: User, client_of: ClientOf) -> None:
    client = client_of(alice, enforce_csrf_checks=True)
    answer = client.post("/accounts/logout/")
    assert answer.status_code == 403
    assert "no longer valid" in answer.text
    assert "<html" not in client.post("/accounts/logout/", headers=HTMX).text


def test_an_unknown_host_is_refused(client: Client) -> None:
    answer = client.get("/", headers={"Host": "evil.example.com"})
    assert answer.status_code == 400
    assert "evil" not in answer.text


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_the_page_of_a_500_makes_no_query(
    rf: RequestFactory, headers: dict[str, str], django_assert_num_queries: Any
) -> None:
    request = rf.get("/", headers=headers)
    request.request_id = "0123456789abcdef"  # type: ignore[attr-defined]
    request.user = AnonymousUser()
    with django_assert_num_queries(0):
        answer = site.server_error(request)
    assert answer.status_code == 500
    assert "0123456789abcdef" in answer.text
    assert ("<html" in answer.text) is not bool(headers)


def test_an_unhandled_error_is_logged_without_what_was_sent(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        secret = "hush" + "hush"
        raise RuntimeError(f"broken for {len(secret)} reasons")

    monkeypatch.setattr(site, "_migrations", fail)
    client.raise_request_exception = False
    answer = client.get("/healthz?token=hushhush")
    assert answer.status_code == 500
    assert answer["X-Request-Id"] in answer.text
    assert "broken for 8 reasons" in caplog.text
    assert "hushhush" not in caplog.text
