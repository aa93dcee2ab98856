"""Every setting of the site, read from the environment or a `.env` beside manage.py.

The README's configuration table lists the variables; each may also be given as `NAME_FILE`, the
path of a file that holds it. Nothing here fails when one is missing or wrong: the system checks in
`ipadmin/checks.py` say what is missing and how to make it, and `config/wsgi.py` refuses to serve
until they pass.
"""

import os
from pathlib import Path
from typing import Any

import django_stubs_ext
from csp.constants import NONCE, NONE, SELF
from environs import EnvValidationError, FileAwareEnv

from config import logging
from config.databases import database_from_url
from ipadmin.katapult.client import is_loopback

# Django's classes take their type arguments at run time too: `forms.ModelForm[ApiToken]`.
django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"

# Not eager: a value that cannot be read counts as not given, and is kept for the checks.
env = FileAwareEnv(eager=False, strip_whitespace=True)
# The demo and the tests name a file of their own, so that no real configuration gets into them.
env.read_env(os.environ.get("ENV_FILE") or str(BASE_DIR / ".env"), recurse=False)


def _list(name: str) -> list[str]:
    items: list[str] = env.list(name, []) or []
    return [item.strip() for item in items if item.strip()]


DEBUG = env.bool("DEBUG", False) or False
SECRET_KEY = env.str("SECRET_KEY", "")
SECRET_KEY_FALLBACKS = _list("SECRET_KEY_FALLBACKS")
ALLOWED_HOSTS = _list("ALLOWED_HOSTS")
CSRF_TRUSTED_ORIGINS = _list("CSRF_TRUSTED_ORIGINS")

# Katapult
KATAPULT_API_URL = env.str("KATAPULT_API_URL", "")
# A loopback API is the sandbox; everything else is taken for the real cloud.
SANDBOX = is_loopback(KATAPULT_API_URL)
# Newest first. The first seals, all of them open.
TOKEN_ENCRYPTION_KEYS = _list("TOKEN_ENCRYPTION_KEYS")
# Newest first. The first seals the audit history, all of them verify it.
AUDIT_KEYS = _list("AUDIT_KEYS")
# Where each finished entry is sent as a line of JSON; see ipadmin/streaming.py. Empty: nowhere.
AUDIT_STREAM = env.str("AUDIT_STREAM", "") or ""
# Whether operators see the entries of those organizations only that they have a token for.
HISTORY_OF_OWN_ORGANIZATIONS = env.bool("HISTORY_OF_OWN_ORGANIZATIONS", False) or False
# How long a confirmation page may be acted on, in seconds.
CONFIRMATION_MAX_AGE = env.int("CONFIRMATION_MAX_AGE", 600) or 600
# Seconds; see ipadmin.katapult.client.Timeouts. Katapult answers in tenths of a second; a call that
# takes longer than this only occupies a thread and an operator.
KATAPULT_TIMEOUTS = {
    # A connection that does not come in three seconds rarely comes at all.
    "connect": env.float("KATAPULT_CONNECT_TIMEOUT", 3.0) or 3.0,
    # Requests are smaller than one packet.
    "write": env.float("KATAPULT_WRITE_TIMEOUT", 5.0) or 5.0,
    # The longest silence: ten times the slowest answer on record, and no more than people wait.
    "read": env.float("KATAPULT_READ_TIMEOUT", 10.0) or 10.0,
    # Waiting for another call to end; short, so that a stuck API is not waited for in a queue.
    "pool": env.float("KATAPULT_POOL_TIMEOUT", 2.0) or 2.0,
    # The deadline of a call: no call takes longer, whatever the server sends.
    "total": env.float("KATAPULT_TOTAL_TIMEOUT", 15.0) or 15.0,
}
# How many reads may wait for Katapult at once, and how many changes besides. Together fewer than
# the threads of a web process (config/gunicorn.py): while the API does not answer, other pages do.
KATAPULT_MAX_CONNECTIONS = env.int("KATAPULT_MAX_CONNECTIONS", 16) or 16
# Of the calls Katapult allows a token in a minute, those that reads leave for attempts: enough for
# several operators to confirm at once.
KATAPULT_RESERVED_CALLS = 20
# An attempt makes at most three calls while its entry is `pending`: it reads the address, reads it
# again if the database was slow, and unallocates. Each ends by its deadline, and waits for the
# database take ATTEMPT_SLACK at most. An older `pending` entry has no process. Seconds.
ATTEMPT_SLACK = env.float("ATTEMPT_SLACK", 30.0) or 30.0
LONGEST_ATTEMPT = ATTEMPT_SLACK + 3 * KATAPULT_TIMEOUTS["total"]
# After a call that was not answered: seconds between two readings that agree before they prove
# anything, between two tries to read at all, and until trying ends.
EVIDENCE_INTERVAL = env.float("EVIDENCE_INTERVAL", 60.0) or 60.0
EVIDENCE_RETRY = env.float("EVIDENCE_RETRY", 5.0) or 5.0
EVIDENCE_DEADLINE = env.float("EVIDENCE_DEADLINE", 600.0) or 600.0
# Seconds between two rounds of the reconciler in the worker.
RECONCILE_EVERY = env.float("RECONCILE_EVERY", 5.0) or 5.0
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}

INSTALLED_APPS = [
    "ipadmin.apps.PeopleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "csp",
    "django_cotton",
    "django_htmx",
    "django_tasks",
    "django_tasks_db",
    "ipadmin",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "ipadmin.middleware.RequestLogMiddleware",
    "ipadmin.middleware.HeadersMiddleware",
    "ipadmin.middleware.TimeZoneMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "ipadmin.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "ipadmin.context_processors.nonce",
                "ipadmin.context_processors.site",
            ],
        },
    },
]

# `<c-card>` is templates/ipadmin/components/card.html. A component sees its attributes and slots,
# and what context processors add, not the variables of the page.
COTTON_DIR = "ipadmin/components"
COTTON_ISOLATE_BY_DEFAULT = True

# No form takes a file: one that is sent is passed over, not kept on disk, however large.
FILE_UPLOAD_HANDLERS: list[str] = []

# Database. What cannot be read leaves no database at all, which the checks report.
DATABASE, DATABASE_ERROR = database_from_url(
    env.str("DATABASE_URL", "") or f"sqlite:///{VAR_DIR / 'db.sqlite3'}", BASE_DIR
)
DATABASES = {"default": DATABASE}
SERIALIZATION_MODULES = {"json": "config.serializers"}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# People
AUTH_USER_MODEL = "ipadmin.User"
# Django's own: unlike allauth's it lets no inactive user in, and answers them as a wrong password.
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_ADAPTER = "ipadmin.adapter.Adapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
# Of one account five wrong passwords in five minutes; see allauth's documentation of rate limits.
ACCOUNT_RATE_LIMITS = {"login": "30/m/ip", "login_failed": "20/m/ip,5/5m/key"}
# Signed in for a working day, counted from the sign-in; nobody is asked whether to remember.
ACCOUNT_SESSION_REMEMBER = True
SESSION_COOKIE_AGE = 12 * 60 * 60
# Not Django's default, which puts what no cookie holds into the session: saving it would count the
# twelve hours anew.
MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"

# Keeps the counts of sign-ins. By default the oldest of 300 entries goes: whoever asks from many
# addresses could have an account's forgotten.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
}

# How many proxies of ours stand in front, each adding to X-Forwarded-For. With none, headers that
# a proxy would set are a client's own words and are not believed.
TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXY_COUNT", 0) or 0
ALLAUTH_TRUSTED_PROXY_COUNT = TRUSTED_PROXY_COUNT
if TRUSTED_PROXY_COUNT > 0:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# Transport. The sandbox is plain HTTP on this machine; everything else is HTTPS only.
HTTPS = not SANDBOX
_ssl_redirect = env.bool("SECURE_SSL_REDIRECT", HTTPS)
SECURE_SSL_REDIRECT = HTTPS if _ssl_redirect is None else _ssl_redirect
SECURE_REDIRECT_EXEMPT = [r"^healthz$"]
SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
# The __Host- prefix makes the browser itself refuse a cookie from a sub-domain or over HTTP.
SESSION_COOKIE_NAME = "__Host-session" if HTTPS else "sandbox_session"
CSRF_COOKIE_NAME = "__Host-csrf" if HTTPS else "sandbox_csrf"
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "ipadmin.views.site.csrf_failure"
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        "font-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

# Static files: hashed names, compressed. Tests switch it off to run without collectstatic.
STATIC_URL = "static/"
STATIC_ROOT = env.str("STATIC_ROOT", "") or str(VAR_DIR / "static")
STATICFILES_DIRS = [BASE_DIR / "static"]
_static_storage = (
    "whitenoise.storage.CompressedManifestStaticFilesStorage"
    if env.bool("STATIC_HASHED", True) is not False
    else "django.contrib.staticfiles.storage.StaticFilesStorage"
)
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": _static_storage},
}

LANGUAGE_CODE = "en-gb"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"

LOGGING = logging.configuration(as_json=not (DEBUG or SANDBOX))
DEFAULT_EXCEPTION_REPORTER_FILTER = "config.logging.ReporterFilter"

# Variable to messages, of those that were given and could not be read.
ENVIRONMENT_ERRORS: dict[str, list[str]] = {}
try:
    env.seal()
except EnvValidationError as error:
    _found: Any = error.error_messages
    ENVIRONMENT_ERRORS = {name: [str(text) for text in texts] for name, texts in _found.items()}
