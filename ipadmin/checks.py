"""System checks of the configuration. Each message says what is wrong and how to correct it.

`manage.py` runs them before a command, `config/wsgi.py` before serving. None raises on a wrong
value, and none shows a value that could be secret.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

from ipadmin.audit.stream.targets import FORMS, target_from_url
from ipadmin.crypto import decode_key
from ipadmin.katapult.client import is_loopback
from ipadmin.services import notify, run_approval

MAKE_KEYS = "`python manage.py generate_keys` writes new ones to .env."
KEYS = f"{MAKE_KEYS} A new key goes before the older ones, separated by commas."
API_URL = "Set KATAPULT_API_URL=https://api.katapult.io, or a loopback address for the sandbox."
DATABASE_URL = (
    "Write sqlite:////path/to/db.sqlite3 or postgresql://user:password@host/name, special "
    "characters percent-encoded; without it var/db.sqlite3 is used."
)
SECRETS = (
    *("SECRET_KEY", "SECRET_KEY_FALLBACKS", "TOKEN_ENCRYPTION_KEYS", "AUDIT_KEYS"),
    *("DATABASE_URL", "AUDIT_STREAM_AUTHORIZATION", "CACHE_URL", "EMAIL_HOST_PASSWORD"),
    *("OIDC_CLIENT_SECRET", "KATAPULT_OAUTH_CLIENT_SECRET", "NOTIFY_URLS"),
)
SECRETS_FOLDER = Path("/run/secrets")
KATAPULT_HOST = "api.katapult.io"
MIN_SECRET_KEY_LENGTH = 50
# Seconds: long enough for the warning before, and not longer than a session.
MIN_IDLE, MAX_IDLE = 600, 12 * 60 * 60
CHOICES = (
    ("E011", "REASON_REQUIRED", ("no", "reason", "ticket")),
    ("E015", "SECOND_FACTOR", ("no", "unallocate", "everyone")),
)
# As `ipadmin/migrations/0002_roles.py`.
ROLES = frozenset({"operator", "auditor", "administrator"})
# As `AuditStream.target`.
LONGEST_STREAM_URL = 300


def api_host() -> str:
    """The host of the Katapult API, as pages show it."""
    return _split(settings.KATAPULT_API_URL).netloc.rpartition("@")[2]


def is_katapult() -> bool:
    """False where tokens are sent to a host that an explicit setting names instead of Katapult."""
    return settings.SANDBOX or settings.KATAPULT_API_HOST == KATAPULT_HOST


@register("ipadmin", deploy=True)
def check_files(app_configs: object, **kwargs: object) -> list[CheckMessage]:
    """Files with keys, and the database, are not for other accounts of the machine."""
    names = ["ENV_FILE", *(f"{name}_FILE" for name in SECRETS)]
    given = [Path(path) for path in map(os.environ.get, names) if path]
    # An engine of containers mounts its secrets readable, for the one account of the container.
    paths = [
        settings.BASE_DIR / ".env",
        *(each for each in given if SECRETS_FOLDER not in each.parents),
    ]
    if settings.DATABASES["default"].get("ENGINE", "").endswith("sqlite3"):
        paths.append(Path(settings.DATABASES["default"]["NAME"]))
    return [
        Error(
            f"{path} can be read by every account of this machine.",
            hint=f"Run chmod o-rwx {path}.",
            id="ipadmin.E012",
        )
        for path in paths
        if _others_can_read(path)
    ]


def _others_can_read(path: Path) -> bool:
    """Whether its mode allows it, and that of each folder above it."""
    try:
        folders = path.resolve().parents
        is_readable = bool(path.stat().st_mode & stat.S_IROTH) and path.is_file()
        return is_readable and all(folder.stat().st_mode & stat.S_IXOTH for folder in folders)
    except OSError:
        return False


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
        ("E013", _idle_timeout(), f"Set SESSION_IDLE_TIMEOUT from {MIN_IDLE} to {MAX_IDLE}."),
        ("E014", _cache(), "Write CACHE_URL=rediss://:password@host:6379/0, or remove it."),
        ("E016", _invitation_hours(), "Set INVITATION_HOURS to a number of hours, 1 or more."),
        ("E051", _runs(), "Set it to a larger number, or remove it."),
        *_choices(),
        *_oauth(),
        *_oidc(),
        *notify.problems(),
        *run_approval.problems(),
        ("E062", _site_url(), "Set SITE_URL to what people open: https://ip.example.com."),
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


def _choices() -> Iterator[tuple[str, str, str]]:
    for id, name, values in CHOICES:
        if getattr(settings, name) not in values:
            hint = f"Set it to {', '.join(values[:-1])} or {values[-1]}."
            yield id, f"{name} has an unknown value.", hint


def _site_url() -> str:
    parts = _split(settings.SITE_URL)
    is_url = parts.scheme in {"http", "https"} and parts.hostname
    is_used = settings.SITE_URL or settings.NOTIFY_URLS
    return "SITE_URL is missing, or not an http or https URL." if is_used and not is_url else ""


def _api_url(url: str) -> str:
    parts = _split(url)
    if not url:
        return "KATAPULT_API_URL is missing."
    if not parts.hostname or parts.scheme not in {"http", "https"}:
        return "KATAPULT_API_URL is not a URL."
    if "@" in parts.netloc or parts.query or parts.fragment:
        return "KATAPULT_API_URL has more than a scheme, a host and a path."
    if not is_loopback(url) and parts.hostname != settings.KATAPULT_API_HOST:
        return f"KATAPULT_API_URL is not Katapult's: its host is not {settings.KATAPULT_API_HOST}."
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


def _invitation_hours() -> str:
    return "" if settings.INVITATION_HOURS > 0 else "INVITATION_HOURS is not positive."


def _runs() -> str:
    least = {"MAX_RUN_SIZE": 1, "RUN_CONCURRENCY": 1, "RUN_LEASE": 5, "APPROVAL_EXPIRES_AFTER": 1}
    wrong = [
        f"{name} is less than {n}." for name, n in least.items() if getattr(settings, name) < n
    ]
    return " ".join(wrong)


def _cache() -> str:
    parts = _split(settings.CACHE_URL)
    is_network = parts.scheme in {"redis", "rediss"} and parts.hostname
    is_socket = parts.scheme == "unix" and parts.path
    is_valid = not settings.CACHE_URL or is_network or is_socket
    return "" if is_valid else "CACHE_URL is not the URL of a Redis server."


def _idle_timeout() -> str:
    is_sensible = MIN_IDLE <= settings.SESSION_IDLE_TIMEOUT <= MAX_IDLE
    return "" if is_sensible else "SESSION_IDLE_TIMEOUT is too short or too long."


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
