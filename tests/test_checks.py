from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest
from django.core.checks import run_checks
from django.test import Client
from pytest_django import Settings


def problems() -> dict[str, str]:
    """Id to message and hint."""
    found = run_checks(tags=["ipadmin"])
    return {str(error.id): f"{error.msg} {error.hint}" for error in found}


def test_a_configured_site_has_no_problem() -> None:
    assert problems() == {}


@pytest.mark.parametrize("key", ["", "short", "x" * 60])
def test_a_secret_key_is_needed(settings: Settings, key: str) -> None:
    settings.SECRET_KEY = key
    assert "manage.py generate_keys" in problems()["ipadmin.E002"]


@pytest.mark.parametrize("hosts", [[], ["*"], ["ip.example.com", "*"]])
def test_hosts_are_needed(settings: Settings, hosts: list[str]) -> None:
    settings.ALLOWED_HOSTS = hosts
    assert "ip.example.com" in problems()["ipadmin.E003"]


@pytest.mark.parametrize("keys", [[], ["nonsense"], [base64.b64encode(b"x" * 31).decode()]])
def test_token_keys_are_needed(settings: Settings, keys: list[str]) -> None:
    settings.TOKEN_ENCRYPTION_KEYS = keys
    assert "manage.py generate_keys" in problems()["ipadmin.E004"]


def test_a_bad_token_key_is_numbered_and_not_shown(settings: Settings) -> None:
    settings.TOKEN_ENCRYPTION_KEYS = [*settings.TOKEN_ENCRYPTION_KEYS, "hush-hush"]
    text = problems()["ipadmin.E004"]
    assert "Key 2" in text
    assert "hush" not in text


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.katapult.io",
        "ftp://api.katapult.io",
        "http://api.katapult.io",
        "http://127.0.0.1.example.com",
        "https://user:password@api.katapult.io",
        "https://api.katapult.io/?key=1",
        "https://api.katapult.io/#a",
        "https://[oops",
        "https://evil.example",
        "https://api.katapult.io.evil.example",
        "https://",
    ],
)
def test_the_api_url_must_be_https_or_loopback(settings: Settings, url: str) -> None:
    settings.KATAPULT_API_URL = url
    text = problems()["ipadmin.E005"]
    assert "https://api.katapult.io" in text
    assert "password" not in text


@pytest.mark.parametrize(
    "url",
    ["https://api.katapult.io", "http://127.0.0.1:8001", "http://localhost:1", "http://[::1]:8001"],
)
def test_an_https_api_url_is_accepted(settings: Settings, url: str) -> None:
    settings.KATAPULT_API_URL = url
    assert problems() == {}


def test_a_database_url_that_cannot_be_read(settings: Settings) -> None:
    settings.DATABASE_ERROR = "no such scheme"
    assert "percent-encoded" in problems()["ipadmin.E006"]


def test_invitations_must_be_valid_for_a_while(settings: Settings) -> None:
    settings.INVITATION_HOURS = -1
    assert "not positive" in problems()["ipadmin.E016"]


def test_debug_is_refused_outside_the_sandbox(settings: Settings) -> None:
    settings.DEBUG = True
    assert problems() == {}
    settings.SANDBOX = False
    assert "DEBUG" in problems()["ipadmin.E007"]


def test_a_value_that_cannot_be_read_is_named(settings: Settings) -> None:
    settings.ENVIRONMENT_ERRORS = {"DEBUG": ["Not a valid boolean."]}
    assert "DEBUG cannot be read" in problems()["ipadmin.E001"]


@pytest.mark.parametrize(
    ("url", "authorization"),
    [
        ("/var/log/audit", ""),
        ("http://siem.example/in", ""),
        ("https://me:hush@siem.example", ""),
        (f"file:///{'a' * 300}", ""),
        ("https://siem.example", "Bearer hush\nX: y"),
        ("stdout:", "Bearer hush"),
        ("", "Bearer hush"),
    ],
)
def test_a_stream_that_cannot_be_delivered_to(
    settings: Settings, url: str, authorization: str
) -> None:
    settings.AUDIT_STREAM, settings.AUDIT_STREAM_AUTHORIZATION = url, authorization
    text = problems()["ipadmin.E009"]
    assert "https://host/path" in text
    assert "hush" not in text


@pytest.mark.parametrize(
    ("url", "authorization"),
    [("", ""), ("stdout:", ""), ("file:///var/log/a.jsonl", ""), ("https://[::1]/", "Bearer x")],
)
def test_a_stream_that_can_be_delivered_to(
    settings: Settings, url: str, authorization: str
) -> None:
    settings.AUDIT_STREAM, settings.AUDIT_STREAM_AUTHORIZATION = url, authorization
    assert problems() == {}


@pytest.mark.parametrize(
    ("url", "pattern", "problem"),
    [
        ("javascript:alert({key})", "X", "not an http or https URL"),
        ("/browse/{key}", "X", "not an http or https URL"),
        ("https://tickets.example.com/", "X", "does not contain {key}"),
        ("", "(", "not a regular expression"),
    ],
)
def test_ticket_links_that_cannot_work(
    settings: Settings, url: str, pattern: str, problem: str
) -> None:
    settings.TICKET_URL, settings.TICKET_PATTERN = url, pattern
    assert problem in problems()["ipadmin.E010"]


def test_the_required_reason_is_one_of_three(settings: Settings) -> None:
    settings.REASON_REQUIRED = "yes"
    assert "no, reason or ticket" in problems()["ipadmin.E011"]


def test_another_host_needs_an_explicit_setting(settings: Settings, client: Client) -> None:
    settings.KATAPULT_API_URL, settings.SANDBOX = "https://katapult.example.com", False
    settings.KATAPULT_API_HOST = "katapult.example.com"
    assert problems() == {}
    assert "NOT KATAPULT" in client.get("/accounts/login/", secure=True).text


def test_katapult_itself_has_no_warning(settings: Settings, client: Client) -> None:
    settings.KATAPULT_API_URL, settings.SANDBOX = "https://api.katapult.io", False
    assert "NOT KATAPULT" not in client.get("/accounts/login/", secure=True).text


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """A file that only its owner reads, in a folder that everyone may enter."""
    for folder in [tmp_path, *tmp_path.parents]:
        if folder.stat().st_uid == os.geteuid() and not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o011)
    file = tmp_path / "secret"
    file.touch(0o600)
    return file


def deployment_problems() -> str:
    found = run_checks(tags=["ipadmin"], include_deployment_checks=True)
    return " ".join(str(error.msg) for error in found if error.id == "ipadmin.E012")


@pytest.mark.parametrize("name", ["SECRET_KEY_FILE", "AUDIT_KEYS_FILE", "ENV_FILE"])
def test_a_file_with_keys_must_not_be_readable_by_others(
    private: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, str(private))
    assert str(private) not in deployment_problems()
    private.chmod(0o644)
    assert str(private) in deployment_problems()
    private.parent.chmod(0o700)
    assert str(private) not in deployment_problems()


def test_the_database_must_not_be_readable_by_others(
    settings: Settings, private: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = settings.DATABASES["default"]
    monkeypatch.setitem(database, "ENGINE", "django.db.backends.sqlite3")
    monkeypatch.setitem(database, "NAME", str(private))
    assert str(private) not in deployment_problems()
    private.chmod(0o604)
    assert str(private) in deployment_problems()


@pytest.mark.parametrize("url", ["redis", "http://cache:hush@host", "redis://", "redis://[oops"])
def test_a_cache_that_is_not_redis(settings: Settings, url: str) -> None:
    settings.CACHE_URL = url
    text = problems()["ipadmin.E014"]
    assert "rediss://" in text
    assert "hush" not in text


@pytest.mark.parametrize("url", ["", "redis://host:6379/1", "rediss://:x@host", "unix:///run/r"])
def test_a_cache_that_can_be_used(settings: Settings, url: str) -> None:
    settings.CACHE_URL = url
    assert problems() == {}


@pytest.mark.parametrize("seconds", [-1, 60, 599, 43201])
def test_an_idle_timeout_that_makes_no_sense(settings: Settings, seconds: int) -> None:
    settings.SESSION_IDLE_TIMEOUT = seconds
    assert "600 to 43200" in problems()["ipadmin.E013"]


@pytest.mark.parametrize(
    ("id", "secret", "missing"), [("ipadmin", "", "SECRET"), ("", "hush-hush", "ID")]
)
def test_oauth_needs_both_id_and_secret(
    settings: Settings, id: str, secret: str, missing: str
) -> None:
    settings.KATAPULT_OAUTH_CLIENT_ID, settings.KATAPULT_OAUTH_CLIENT_SECRET = id, secret
    text = problems()["ipadmin.E040"]
    assert f"KATAPULT_OAUTH_CLIENT_{missing} is missing" in text
    assert "hush" not in text


@pytest.mark.parametrize("name", ["AUTHORIZE_URL", "TOKEN_URL", "REVOKE_URL"])
@pytest.mark.parametrize(
    "url", ["http://id.example/token", "id.example", "https://a:hush@id.example", "https://[oops"]
)
def test_oauth_uses_https(settings: Settings, name: str, url: str) -> None:
    setattr(settings, f"KATAPULT_OAUTH_{name}", url)
    text = problems()["ipadmin.E041"]
    assert f"KATAPULT_OAUTH_{name}" in text
    assert "hush" not in text


def test_oauth_on_this_machine_may_use_http(settings: Settings) -> None:
    settings.KATAPULT_OAUTH_CLIENT_ID = settings.KATAPULT_OAUTH_CLIENT_SECRET = "x"
    settings.KATAPULT_OAUTH_TOKEN_URL = "http://127.0.0.1:8001/oauth2/token"
    assert problems() == {}


def use_oidc(settings: Settings) -> None:
    settings.OIDC_DISCOVERY_URL = "https://id.example/.well-known/openid-configuration"
    settings.OIDC_SIGN_IN_URL = settings.OIDC_DISCOVERY_URL
    settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET = "ip-admin", "hush-hush"
    settings.OIDC_ALLOWED_DOMAIN, settings.OIDC_ROLES = "example.com", {"ops": "operator"}


def test_openid_connect_that_is_complete(settings: Settings) -> None:
    use_oidc(settings)
    settings.LOCAL_SIGN_IN = "off"
    assert problems() == {}


@pytest.mark.parametrize(
    "name", ["DISCOVERY_URL", "CLIENT_ID", "CLIENT_SECRET", "ALLOWED_DOMAIN", "ROLES"]
)
def test_openid_connect_that_is_not(settings: Settings, name: str) -> None:
    use_oidc(settings)
    setattr(settings, f"OIDC_{name}", "" if name != "ROLES" else {})
    text = problems()["ipadmin.E031"]
    assert f"OIDC_{name}" in text
    assert "hush" not in text


@pytest.mark.parametrize(("value", "id"), [("no", "E030"), ("off", "E031")])
def test_local_sign_in_is_off_only_if_there_is_another(
    settings: Settings, value: str, id: str
) -> None:
    settings.LOCAL_SIGN_IN = value
    assert f"ipadmin.{id}" in problems()


def test_openid_connect_uses_https(settings: Settings) -> None:
    use_oidc(settings)
    settings.OIDC_DISCOVERY_URL = "http://id.example/"
    assert "OIDC_DISCOVERY_URL" in problems()["ipadmin.E032"]


@pytest.mark.parametrize("roles", [{"ops": "root"}, {"": "operator"}])
def test_roles_of_a_claim_exist(settings: Settings, roles: dict[str, str]) -> None:
    use_oidc(settings)
    settings.OIDC_ROLES = roles
    assert "auditor" in problems()["ipadmin.E033"]


@pytest.mark.parametrize("url", ["hush-hush", "nothing://hush", "slack://hush", "https://hush"])
def test_a_target_of_notifications_that_cannot_be_used(settings: Settings, url: str) -> None:
    settings.NOTIFY_URLS = ["json://127.0.0.1/", url]
    text = problems()["ipadmin.E060"]
    assert "URL 2 of NOTIFY_URLS" in text
    assert "hush" not in text


def test_targets_of_notifications_that_can_be_used(settings: Settings) -> None:
    settings.NOTIFY_URLS = ["json://127.0.0.1/", "mailto://me:hush@example.com"]
    settings.SITE_URL = "https://ip.example.com/below"
    assert problems() == {}


@pytest.mark.parametrize("seconds", [0, 59, 604801])
def test_notifications_expire_after_a_sensible_time(settings: Settings, seconds: int) -> None:
    settings.NOTIFY_EXPIRES_AFTER = seconds
    assert "60 to 604800" in problems()["ipadmin.E061"]


@pytest.mark.parametrize("url", ["", "ip.example.com", "ftp://ip.example.com", "https://[oops"])
def test_notifications_need_the_url_of_the_site(settings: Settings, url: str) -> None:
    settings.NOTIFY_URLS, settings.SITE_URL = ["json://127.0.0.1/"], url
    assert "https://ip.example.com" in problems()["ipadmin.E062"]


def test_approval_rules_must_be_right(settings: Settings) -> None:
    settings.APPROVALS = "*=above:20+dangerous lab=never"
    assert problems() == {}
    settings.APPROVALS = "*=sometimes"
    assert "sometimes" in problems()["ipadmin.E050"]
    assert "above:N" in problems()["ipadmin.E050"]


@pytest.mark.parametrize("name", ["MAX_RUN_SIZE", "RUN_CONCURRENCY", "RUN_LEASE"])
def test_settings_of_runs_are_large_enough(settings: Settings, name: str) -> None:
    setattr(settings, name, -1)
    assert name in problems()["ipadmin.E051"]
