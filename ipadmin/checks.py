"""System checks of the configuration. Each message says what is wrong and how to correct it.

`manage.py` runs them before a command, `config/wsgi.py` before serving. None raises on a wrong
value, and none shows a value that could be secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

from ipadmin.audit.stream.targets import FORMS, target_from_url
from ipadmin.crypto import decode_key
from ipadmin.katapult.client import is_loopback

MAKE_KEYS = "`python manage.py generate_keys` prints one: put it into the environment or .env."
KEYS = f"{MAKE_KEYS} Older keys stay after it, separated by commas."
API_URL = "Set KATAPULT_API_URL=https://api.katapult.io, or a loopback address for the sandbox."
DATABASE_URL = (
    "Write sqlite:////path/to/db.sqlite3 or postgresql://user:password@host/name, special "
    "characters percent-encoded; without it var/db.sqlite3 is used."
)
MIN_SECRET_KEY_LENGTH = 50
REASONS_REQUIRED = ("no", "reason", "ticket")
# As `ipadmin/migrations/0002_roles.py`.
ROLES = frozenset({"operator", "auditor", "administrator"})
# As `AuditStream.target`.
LONGEST_STREAM_URL = 300


def api_host() -> str:
    """The host of the Katapult API, as pages show it."""
    return _split(settings.KATAPULT_API_URL).netloc.rpartition("@")[2]


@register("ipadmin")
def check_environment(app_configs: object, **kwargs: object) -> list[CheckMessage]:
    problems = [
        *_unreadable(),
        ("E002", _secret_key(), MAKE_KEYS),
        ("E003", _hosts(), "Set ALLOWED_HOSTS to the site's host names, such as ip.example.com."),
        ("E004", _keys("TOKEN_ENCRYPTION_KEYS"), KEYS),
        ("E008", _keys("AUDIT_KEYS"), KEYS),
        ("E009", _stream(), f"Write {FORMS}, or remove it: then entries are delivered nowhere."),
        ("E005", _api_url(settings.KATAPULT_API_URL), API_URL),
        ("E006", _database(), DATABASE_URL),
        ("E010", _tickets(), "Write TICKET_URL=https://tickets.example.com/browse/{key}."),
        ("E011", _reason_required(), "Set REASON_REQUIRED to no, reason or ticket."),
        *_oauth(),
        *_oidc(),
        ("E007", _debug(), "Remove DEBUG from the environment and .env."),
    ]
    return [
        Error(problem, hint=hint, id=f"ipadmin.{id}") for id, problem, hint in problems if problem
    ]


def _unreadable() -> Iterator[tuple[str, str, str]]:
    for name, messages in settings.ENVIRONMENT_ERRORS.items():
        hint = f"Correct {name} in the environment or .env, or remove it."
        yield "E001", f"{name} cannot be read: {' '.join(messages)}", hint


def _secret_key() -> str:
    try:
        key = settings.SECRET_KEY
    except ImproperlyConfigured:
        return "SECRET_KEY is missing."
    if len(key) < MIN_SECRET_KEY_LENGTH or len(set(key)) < 5:
        return f"SECRET_KEY is too weak: {MIN_SECRET_KEY_LENGTH} random characters at least."
    return ""


def _hosts() -> str:
    if "*" in settings.ALLOWED_HOSTS:
        return "ALLOWED_HOSTS allows every host."
    is_missing = not settings.ALLOWED_HOSTS and not settings.DEBUG
    return "ALLOWED_HOSTS is missing." if is_missing else ""


def _keys(name: str) -> str:
    keys: list[str] = getattr(settings, name)
    for number, text in enumerate(keys, start=1):
        try:
            decode_key(text)
        except ValueError as error:
            return f"Key {number} of {name} is not a key: {error}."
    return "" if keys else f"{name} is missing."


def _stream() -> str:
    url, authorization = settings.AUDIT_STREAM, settings.AUDIT_STREAM_AUTHORIZATION
    if len(url) > LONGEST_STREAM_URL:
        return f"AUDIT_STREAM has more than {LONGEST_STREAM_URL} characters."
    if authorization and not url.startswith(("https:", "http:")):
        return "AUDIT_STREAM_AUTHORIZATION is only for https://."
    try:
        if url:
            target_from_url(url, authorization)
    except ValueError as error:
        return f"AUDIT_STREAM cannot be used: {error}"
    return ""


def _tickets() -> str:
    url = settings.TICKET_URL
    if url and (_split(url).scheme not in {"http", "https"} or not _split(url).hostname):
        return "TICKET_URL is not an http or https URL."
    if url and "{key}" not in url:
        return "TICKET_URL does not contain {key}."
    try:
        re.compile(settings.TICKET_PATTERN)
    except re.error as error:
        return f"TICKET_PATTERN is not a regular expression: {error}."
    return ""


def _reason_required() -> str:
    is_known = settings.REASON_REQUIRED in REASONS_REQUIRED
    return "" if is_known else "REASON_REQUIRED has an unknown value."


def _api_url(url: str) -> str:
    parts = _split(url)
    if not url:
        return "KATAPULT_API_URL is missing."
    if not parts.hostname or parts.scheme not in {"http", "https"}:
        return "KATAPULT_API_URL is not a URL."
    if "@" in parts.netloc or parts.query or parts.fragment:
        return "KATAPULT_API_URL has more than a scheme, a host and a path."
    if parts.scheme != "https" and not is_loopback(url):
        return "KATAPULT_API_URL is not https: tokens would be sent unencrypted."
    return ""


def _oauth() -> Iterator[tuple[str, str, str]]:
    """Problems of Katapult's OAuth2. The revocation URL can be empty."""
    if bool(settings.KATAPULT_OAUTH_CLIENT_ID) != bool(settings.KATAPULT_OAUTH_CLIENT_SECRET):
        missing = "SECRET" if settings.KATAPULT_OAUTH_CLIENT_ID else "ID"
        hint = "Set both KATAPULT_OAUTH_CLIENT_ID and KATAPULT_OAUTH_CLIENT_SECRET, or neither."
        yield "E040", f"KATAPULT_OAUTH_CLIENT_{missing} is missing.", hint
    for name in ("AUTHORIZE_URL", "TOKEN_URL", "REVOKE_URL"):
        url = getattr(settings, f"KATAPULT_OAUTH_{name}")
        hint = "Write https:// and a host, or a loopback address for the sandbox, or remove it."
        yield "E041", url and _secure_url(f"KATAPULT_OAUTH_{name}", url), hint


def _oidc() -> Iterator[tuple[str, str, str]]:
    """Problems of sign-in with OpenID Connect."""
    local = settings.LOCAL_SIGN_IN
    if local not in {"on", "off"}:
        yield "E030", "LOCAL_SIGN_IN has an unknown value.", "Set it to on or off."
    needed = ("DISCOVERY_URL", "CLIENT_ID", "CLIENT_SECRET", "ALLOWED_DOMAIN", "ROLES")
    missing = [f"OIDC_{name}" for name in needed if not getattr(settings, f"OIDC_{name}")]
    if missing and (len(missing) < len(needed) or local == "off"):
        hint = "Set all of them, or none and LOCAL_SIGN_IN=on."
        yield "E031", f"Missing for OpenID Connect: {', '.join(missing)}.", hint
    for name in ("OIDC_DISCOVERY_URL", "OIDC_SIGN_IN_URL"):
        url = getattr(settings, name)
        yield "E032", url and _secure_url(name, url), "Write https:// and the rest of the URL."
    if not ROLES.issuperset(settings.OIDC_ROLES.values()) or "" in settings.OIDC_ROLES:
        hint = f"Write value=role, with commas between. Roles are {', '.join(sorted(ROLES))}."
        yield "E033", "OIDC_ROLES names an unknown role, or no value for one.", hint


def _secure_url(name: str, url: str) -> str:
    parts = _split(url)
    if not parts.hostname or parts.scheme not in {"http", "https"}:
        return f"{name} is not a URL."
    if "@" in parts.netloc or parts.fragment:
        return f"{name} has a user name or a fragment."
    if parts.scheme != "https" and not is_loopback(url):
        return f"{name} is not https: secrets would be sent unencrypted."
    return ""


def _database() -> str:
    error = settings.DATABASE_ERROR
    return f"DATABASE_URL cannot be used: {error}" if error else ""


def _debug() -> str:
    if settings.DEBUG and not settings.SANDBOX:
        return "DEBUG is on while KATAPULT_API_URL is not the sandbox: it shows too much."
    return ""


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.hostname, parts.port
    except ValueError:
        return SplitResult("", "", "", "", "")
    return parts
