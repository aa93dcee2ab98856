"""The settings as a process reads them from its environment, live and in the sandbox."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.conf import settings

from config.databases import database_from_url
from ipadmin import crypto

LIVE = {
    "SECRET_KEY": "a-long-and-varied-key-for-nothing-but-this-test-0123456789",
    "TOKEN_ENCRYPTION_KEYS": crypto.generate_key(),
    "AUDIT_KEYS": crypto.generate_key(),
    "ALLOWED_HOSTS": "ip.example.com",
    "KATAPULT_API_URL": "https://api.katapult.io",
}
SANDBOX = LIVE | {"KATAPULT_API_URL": "http://127.0.0.1:8001"}


def run(*command: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """A process with nothing but this environment."""
    return subprocess.run(
        [sys.executable, *command],
        cwd=settings.BASE_DIR,
        env={"ENV_FILE": os.devnull, "PATH": os.environ["PATH"], **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def values(env: dict[str, str], *names: str) -> dict[str, Any]:
    """Settings of this environment; None for one that is not set."""
    with mock.patch.dict(os.environ, {"ENV_FILE": os.devnull, **env}, clear=True):
        found = runpy.run_path(str(settings.BASE_DIR / "config" / "settings.py"))
    return {name: found.get(name) for name in names}


def test_live_settings_are_https_only() -> None:
    assert values(
        LIVE,
        "SANDBOX",
        "SECURE_SSL_REDIRECT",
        "SECURE_HSTS_SECONDS",
        "SECURE_HSTS_INCLUDE_SUBDOMAINS",
        "SECURE_HSTS_PRELOAD",
        "SESSION_COOKIE_SECURE",
        "CSRF_COOKIE_SECURE",
        "SESSION_COOKIE_NAME",
        "CSRF_COOKIE_NAME",
        "SECURE_PROXY_SSL_HEADER",
    ) == {
        "SANDBOX": False,
        "SECURE_SSL_REDIRECT": True,
        "SECURE_HSTS_SECONDS": 31_536_000,
        "SECURE_HSTS_INCLUDE_SUBDOMAINS": True,
        "SECURE_HSTS_PRELOAD": True,
        "SESSION_COOKIE_SECURE": True,
        "CSRF_COOKIE_SECURE": True,
        "SESSION_COOKIE_NAME": "__Host-session",
        "CSRF_COOKIE_NAME": "__Host-csrf",
        "SECURE_PROXY_SSL_HEADER": None,
    }


def test_sandbox_settings_are_plain_http() -> None:
    assert values(SANDBOX, "SANDBOX", "SECURE_SSL_REDIRECT", "SESSION_COOKIE_SECURE") == {
        "SANDBOX": True,
        "SECURE_SSL_REDIRECT": False,
        "SESSION_COOKIE_SECURE": False,
    }


def test_a_proxy_that_redirects_to_https_is_trusted() -> None:
    env = LIVE | {"SECURE_SSL_REDIRECT": "false", "TRUSTED_PROXY_COUNT": "1"}
    assert values(
        env, "SECURE_SSL_REDIRECT", "SECURE_PROXY_SSL_HEADER", "ALLAUTH_TRUSTED_PROXY_COUNT"
    ) == {
        "SECURE_SSL_REDIRECT": False,
        "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https"),
        "ALLAUTH_TRUSTED_PROXY_COUNT": 1,
    }


def test_a_secret_is_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from a file\n")
    env = {**SANDBOX, "SECRET_KEY_FILE": str(tmp_path / "key")}
    del env["SECRET_KEY"]
    assert values(env, "SECRET_KEY")["SECRET_KEY"] == "from a file"


def test_lists_may_be_written_with_spaces() -> None:
    env = SANDBOX | {"ALLOWED_HOSTS": " a.example.com , b.example.com,"}
    assert values(env, "ALLOWED_HOSTS")["ALLOWED_HOSTS"] == ["a.example.com", "b.example.com"]


def test_nothing_configured_says_what_is_missing() -> None:
    answer = run("manage.py", "check", env={})
    assert answer.returncode == 1
    for name in LIVE:
        assert f"{name} is missing" in answer.stderr
    assert "Traceback" not in answer.stderr


# Several in one process: none of them hides another.
@pytest.mark.parametrize(
    "wrong",
    [
        {
            "DEBUG": "perhaps",
            "DATABASE_URL": "nonsense://somebody:hush@somewhere/db",
        },
        {
            "TRUSTED_PROXY_COUNT": "two",
            "SECURE_SSL_REDIRECT": "hm",
            "DATABASE_URL": "postgresql://somebody:hush@[somewhere/db",
        },
        {
            "CONFIRMATION_MAX_AGE": "ten minutes",
            "DATABASE_URL": "mysql://somebody:hush@somewhere/db",
        },
    ],
)
def test_a_bad_value_is_a_message_and_no_traceback(wrong: dict[str, str]) -> None:
    answer = run("manage.py", "check", env=LIVE | wrong)
    assert answer.returncode == 1
    for name in wrong:
        assert f"{name} cannot be" in answer.stderr
    assert "hush" not in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_server_that_is_not_configured_does_not_serve() -> None:
    answer = run("-c", "import config.wsgi", env={"DEBUG": "perhaps"})
    assert answer.returncode == 3
    assert "manage.py generate_keys" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_live_logs_are_json() -> None:
    code = "import django; django.setup(); import structlog; structlog.get_logger().info('hello')"
    env = LIVE | {"DJANGO_SETTINGS_MODULE": "config.settings"}
    assert json.loads(run("-c", code, env=env).stdout)["event"] == "hello"


def test_a_live_answer_is_https_only() -> None:
    code = """
import django
django.setup()
from django.test import Client
answer = Client(headers={"Host": "ip.example.com"}).get("/accounts/login/", secure=True)
print(answer.headers["Strict-Transport-Security"])
print(answer.cookies.output(header=""))
print("LIVE" in answer.text, "SANDBOX" in answer.text)
"""
    env = LIVE | {"DATABASE_URL": "sqlite://:memory:", "STATIC_HASHED": "false"}
    answer = run(
        "-W", "ignore", "-c", code, env=env | {"DJANGO_SETTINGS_MODULE": "config.settings"}
    )
    hsts, cookie, environment = answer.stdout.splitlines()[-3:]
    assert hsts == "max-age=31536000; includeSubDomains; preload"
    assert cookie.strip().startswith("__Host-csrf=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))
    assert environment == "True False"


def test_deployment_has_no_warning() -> None:
    answer = run("manage.py", "check", "--deploy", "--fail-level", "WARNING", env=LIVE)
    assert answer.returncode == 0, answer.stderr


def test_no_source_of_script_or_style_is_unsafe() -> None:
    policy = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
    assert policy["default-src"] == ["'none'"]
    assert "unsafe" not in str(policy)


def test_sqlite_is_durable(tmp_path: Path) -> None:
    database, error = database_from_url("sqlite:///var/x.sqlite3", tmp_path)
    assert not error
    assert database["NAME"] == str(tmp_path / "var" / "x.sqlite3")
    assert database["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert "synchronous=FULL" in database["OPTIONS"]["init_command"]


def test_a_database_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    database, error = database_from_url(f"sqlite:///{tmp_path}/not/there/x.sqlite3", tmp_path)
    assert not database
    assert "cannot be made" in error


def test_postgresql_keeps_its_connections(tmp_path: Path) -> None:
    database, error = database_from_url("postgresql://a:b@c/d", tmp_path)
    assert not error
    assert database["CONN_MAX_AGE"] == 600
    assert database["CONN_HEALTH_CHECKS"]


def test_the_cache_is_in_the_database_or_in_redis() -> None:
    def backend(env: dict[str, str]) -> str:
        return str(values(env, "CACHES")["CACHES"]["default"]["BACKEND"])

    assert backend(SANDBOX) == "ipadmin.cache.DatabaseCache"
    redis = SANDBOX | {"CACHE_URL": "redis://127.0.0.1:6379"}
    assert backend(redis) == "django.core.cache.backends.redis.RedisCache"


@pytest.mark.parametrize(
    ("more", "targets"),
    [
        ({}, []),
        ({"KATAPULT_OAUTH_CLIENT_ID": "x"}, ["https://identity.krystal.io"]),
        (
            {
                "KATAPULT_OAUTH_CLIENT_ID": "x",
                "KATAPULT_OAUTH_AUTHORIZE_URL": "http://127.0.0.1:8001/oauth2/auth?a",
            },
            ["http://127.0.0.1:8001"],
        ),
    ],
)
def test_a_form_may_lead_to_the_provider_only_if_there_is_one(
    more: dict[str, str], targets: list[str]
) -> None:
    policy = values(LIVE | more, "CONTENT_SECURITY_POLICY")["CONTENT_SECURITY_POLICY"]
    assert policy["DIRECTIVES"]["form-action"] == ["'self'", *targets]


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("", []),
        ("json://a, slack://b/c", ["json://a", "slack://b/c"]),
        ("json://a slack://b\n", ["json://a", "slack://b"]),
        ("mailto://a@b?to=c,d,json://e", ["mailto://a@b?to=c,d", "json://e"]),
        ("json://a wrong", ["json://a", "wrong"]),
    ],
)
def test_urls_of_notifications(text: str, urls: list[str]) -> None:
    assert values(LIVE | {"NOTIFY_URLS": text}, "NOTIFY_URLS") == {"NOTIFY_URLS": urls}


def test_the_url_of_the_site_is_that_of_its_first_host() -> None:
    assert values(LIVE, "SITE_URL") == {"SITE_URL": "https://ip.example.com"}
    given = LIVE | {"SITE_URL": "http://127.0.0.1:8000/"}
    assert values(given, "SITE_URL") == {"SITE_URL": "http://127.0.0.1:8000"}
