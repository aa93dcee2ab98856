"""System checks of the configuration. Each message says what is wrong and how to correct it.

`manage.py` runs them before a command, `config/wsgi.py` before serving. None raises on a wrong
value, and none shows a value that could be secret.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import SplitResult, urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

from ipadmin.audit.stream.targets import FORMS, target_from_url
from ipadmin.crypto import decode_key
from ipadmin.katapult.client import is_loopback

MAKE_KEYS = "`python manage.py generate_keys` prints one: put it into the environment or .env."
MIN_SECRET_KEY_LENGTH = 50
# As `AuditStream.target`.
LONGEST_STREAM_URL = 300


def api_host() -> str:
    """The host of the Katapult API, as pages show it."""
    return _split(settings.KATAPULT_API_URL).netloc.rpartition("@")[2]


@register("ipadmin")
def check_environment(
    app_configs: Sequence[AppConfig] | None, **kwargs: object
) -> list[CheckMessage]:
    return [
        *_unreadable(),
        *_secret_key(),
        *_hosts(),
        *_keys("TOKEN_ENCRYPTION_KEYS", "ipadmin.E004"),
        *_keys("AUDIT_KEYS", "ipadmin.E008"),
        *_stream(),
        *_api_url(),
        *_database(),
        *_debug(),
    ]


def _unreadable() -> Iterator[Error]:
    for name, messages in settings.ENVIRONMENT_ERRORS.items():
        yield Error(
            f"{name} cannot be read: {' '.join(messages)}",
            hint=f"Correct {name} in the environment or .env, or remove it.",
            id="ipadmin.E001",
        )


def _secret_key() -> Iterator[Error]:
    try:
        key = settings.SECRET_KEY
    except ImproperlyConfigured:
        yield Error("SECRET_KEY is missing.", hint=MAKE_KEYS, id="ipadmin.E002")
        return
    if len(key) < MIN_SECRET_KEY_LENGTH or len(set(key)) < 5:
        text = f"SECRET_KEY is too weak: {MIN_SECRET_KEY_LENGTH} random characters at least."
        yield Error(text, hint=MAKE_KEYS, id="ipadmin.E002")


def _hosts() -> Iterator[Error]:
    hint = "Set ALLOWED_HOSTS to the host names of the site, for example ip.example.com"
    if "*" in settings.ALLOWED_HOSTS:
        yield Error("ALLOWED_HOSTS allows every host.", hint=f"{hint}.", id="ipadmin.E003")
    elif not settings.ALLOWED_HOSTS and not settings.DEBUG:
        yield Error("ALLOWED_HOSTS is missing.", hint=f"{hint}.", id="ipadmin.E003")


def _keys(name: str, id: str) -> Iterator[Error]:
    keys: list[str] = getattr(settings, name)
    if not keys:
        yield Error(f"{name} is missing.", hint=MAKE_KEYS, id=id)
    for number, text in enumerate(keys, start=1):
        try:
            decode_key(text)
        except ValueError as error:
            yield Error(
                f"Key {number} of {name} is not a key: {error}.",
                hint=f"{MAKE_KEYS} Keep the older keys after it, separated by commas.",
                id=id,
            )


def _api_url() -> Iterator[Error]:
    url = settings.KATAPULT_API_URL
    hint = "Set KATAPULT_API_URL=https://api.katapult.io, or a loopback address for the sandbox."
    parts = _split(url)
    if not url:
        yield Error("KATAPULT_API_URL is missing.", hint=hint, id="ipadmin.E005")
    elif not parts.hostname or parts.scheme not in {"http", "https"}:
        yield Error("KATAPULT_API_URL is not a URL.", hint=hint, id="ipadmin.E005")
    elif "@" in parts.netloc or parts.query or parts.fragment:
        text = "KATAPULT_API_URL has more than a scheme, a host and a path."
        yield Error(text, hint=hint, id="ipadmin.E005")
    elif parts.scheme != "https" and not is_loopback(url):
        text = "KATAPULT_API_URL is not https: tokens would be sent unencrypted."
        yield Error(text, hint=hint, id="ipadmin.E005")


def _stream() -> Iterator[Error]:
    url, authorization = settings.AUDIT_STREAM, settings.AUDIT_STREAM_AUTHORIZATION
    problem = ""
    if len(url) > LONGEST_STREAM_URL:
        problem = f"It has {LONGEST_STREAM_URL} characters at most."
    elif authorization and not url.startswith(("https:", "http:")):
        problem = "AUDIT_STREAM_AUTHORIZATION is only for https://."
    elif url:
        try:
            target_from_url(url, authorization)
        except ValueError as error:
            problem = str(error)
    if problem:
        yield Error(
            f"AUDIT_STREAM cannot be used: {problem}",
            hint=f"Write {FORMS}, or remove it: then entries are delivered nowhere.",
            id="ipadmin.E009",
        )


def _database() -> Iterator[Error]:
    if settings.DATABASE_ERROR:
        yield Error(
            f"DATABASE_URL cannot be used: {settings.DATABASE_ERROR}",
            hint="Write sqlite:////path/to/db.sqlite3 or postgresql://user:password@host/name, "
            "special characters percent-encoded; without it var/db.sqlite3 is used.",
            id="ipadmin.E006",
        )


def _debug() -> Iterator[Error]:
    if settings.DEBUG and not settings.SANDBOX:
        yield Error(
            "DEBUG is on while KATAPULT_API_URL is not the sandbox.",
            hint="Remove DEBUG from the environment and .env: its error pages reveal too much.",
            id="ipadmin.E007",
        )


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.hostname, parts.port
    except ValueError:
        return SplitResult("", "", "", "", "")
    return parts
