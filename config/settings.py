"""The settings, read from the environment or from `.env` beside manage.py.

`docs/operations.md` lists the variables. Each can also be given as `NAME_FILE`, the path of a file
with the value. A missing or wrong value raises nothing here: the system checks in
`ipadmin/checks.py` report it, and `config/wsgi.py` does not serve until they pass.
"""

import os
import re
from datetime import time
from pathlib import Path
from urllib.parse import urlsplit

import django_stubs_ext
from csp.constants import NONCE, NONE, SELF
from environs import EnvValidationError, FileAwareEnv

from config import logging
from config.databases import database_from_url
from ipadmin.katapult.client import is_loopback

# Makes `forms.ModelForm[ApiToken]` work at run time.
django_stubs_ext.monkeypatch()

# As `ipadmin.models.cache_entry`, which can't be imported before the settings.
CACHE_TABLE = "ipadmin_cache"

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"
NIGHT = time(2)

# Not eager: a value that cannot be read counts as missing, and the checks report it.
env = FileAwareEnv(eager=False, strip_whitespace=True)
# ENV_FILE keeps a real configuration out of the demo and the tests.
env.read_env(os.environ.get("ENV_FILE") or str(BASE_DIR / ".env"), recurse=False)


def origin(url: str) -> str:
    """Scheme and host of a URL. A wrong URL is reported by the checks."""
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
    except ValueError:
        return NONE


def _list(name: str) -> list[str]:
    items: list[str] = env.list(name, []) or []
    return [item.strip() for item in items if item.strip()]


DEBUG = env.bool("DEBUG", False) or False
SECRET_KEY = env.str("SECRET_KEY", "")
SECRET_KEY_FALLBACKS = _list("SECRET_KEY_FALLBACKS")
ALLOWED_HOSTS = _list("ALLOWED_HOSTS")
CSRF_TRUSTED_ORIGINS = _list("CSRF_TRUSTED_ORIGINS")
# How people open the site, for links that are sent to them.
_host = next(iter(ALLOWED_HOSTS), "").lstrip(".")
_site_url = f"https://{_host}" if _host not in {"", "*"} else ""
SITE_URL = (env.str("SITE_URL", "") or _site_url).rstrip("/")

# Katapult
KATAPULT_API_URL = env.str("KATAPULT_API_URL", "")
# An API on a loopback address is the sandbox; any other is the real cloud.
SANDBOX = is_loopback(KATAPULT_API_URL)
# The only other host that tokens are sent to; see ipadmin/checks.py.
KATAPULT_API_HOST = env.str("KATAPULT_API_HOST", "") or "api.katapult.io"
# The second way to connect, OAuth2: offered once id and secret of a client are set. [doc] names no
# revocation endpoint.
KATAPULT_OAUTH_CLIENT_ID = env.str("KATAPULT_OAUTH_CLIENT_ID", "") or ""
KATAPULT_OAUTH_CLIENT_SECRET = env.str("KATAPULT_OAUTH_CLIENT_SECRET", "") or ""
_identity = "https://identity.krystal.io/oauth2"
KATAPULT_OAUTH_AUTHORIZE_URL = env.str("KATAPULT_OAUTH_AUTHORIZE_URL", "") or f"{_identity}/auth"
KATAPULT_OAUTH_TOKEN_URL = env.str("KATAPULT_OAUTH_TOKEN_URL", "") or f"{_identity}/token"
KATAPULT_OAUTH_REVOKE_URL = env.str("KATAPULT_OAUTH_REVOKE_URL", "") or ""
# Newest first. The first one encrypts, all of them decrypt.
TOKEN_ENCRYPTION_KEYS = _list("TOKEN_ENCRYPTION_KEYS")
# Newest first. The first one seals the hash chain, all of them verify it.
AUDIT_KEYS = _list("AUDIT_KEYS")
# Where each finished entry is delivered as a line of JSON; see ipadmin/audit/stream/targets.py.
AUDIT_STREAM = env.str("AUDIT_STREAM", "") or ""
# Time of day, in UTC, at which the worker verifies the history; None for never.
VERIFY_AT = None if env.str("VERIFY_AT", "") == "never" else env.time("VERIFY_AT", NIGHT) or NIGHT
# The Authorization header of an HTTP stream.
AUDIT_STREAM_AUTHORIZATION = env.str("AUDIT_STREAM_AUTHORIZATION", "") or ""
# Whether operators see the entries of those organizations only that they have a token for.
HISTORY_OF_OWN_ORGANIZATIONS = env.bool("HISTORY_OF_OWN_ORGANIZATIONS", False) or False
# Notifications: URLs of apprise, separated by commas or spaces. They contain secrets.
_urls = (env.str("NOTIFY_URLS", "") or "").strip(" ,\n")
# A comma within a URL separates nothing.
NOTIFY_URLS = re.split(r",?\s+|,(?=\w+://)", _urls) if _urls else []
# Seconds after which a notification that could not be sent is given up.
NOTIFY_EXPIRES_AFTER = env.int("NOTIFY_EXPIRES_AFTER", 24 * 60 * 60)
# Links for ticket keys in reasons: an http or https URL with {key}, and what a key looks like.
TICKET_URL = env.str("TICKET_URL", "") or ""
TICKET_PATTERN = env.str("TICKET_PATTERN", "") or r"\b[A-Z][A-Z0-9]+-[0-9]+\b"
# What an operator must give before unallocating: no, reason, or ticket (a reason with a key).
REASON_REQUIRED = env.str("REASON_REQUIRED", "") or "no"
# Seconds for which a confirmation page is valid.
CONFIRMATION_MAX_AGE = env.int("CONFIRMATION_MAX_AGE", 600) or 600
# Seconds; see ipadmin.katapult.client.Timeouts. Katapult usually answers within 0.5 s.
KATAPULT_TIMEOUTS = {
    "connect": env.float("KATAPULT_CONNECT_TIMEOUT", 3.0) or 3.0,
    # Ten times the slowest answer on record.
    "read": env.float("KATAPULT_READ_TIMEOUT", 10.0) or 10.0,
    "total": env.float("KATAPULT_TOTAL_TIMEOUT", 15.0) or 15.0,
}
# Connections of a process for reads, and as many again for changes. Together fewer than the threads
# of a process (config/gunicorn.py), so that it serves other pages while the API does not answer.
KATAPULT_MAX_CONNECTIONS = env.int("KATAPULT_MAX_CONNECTIONS", 16) or 16
# Calls of each minute's rate limit that are reserved for attempts; see ipadmin/services/budget.py.
KATAPULT_RESERVED_CALLS = 20
# Seconds in which the rate limit counts calls: the clock minute, shorter only with a sandbox.
RATE_LIMIT_WINDOW = (SANDBOX and env.float("RATE_LIMIT_WINDOW", 60.0)) or 60.0
# Runs of many addresses: how many one may have, how many are attempted at once, and the seconds
# after which another worker takes over a run whose worker has died.
MAX_RUN_SIZE = env.int("MAX_RUN_SIZE", 1000) or 1000
# Each selected address is a field of the form.
DATA_UPLOAD_MAX_NUMBER_FIELDS = MAX_RUN_SIZE + 1000
RUN_CONCURRENCY = env.int("RUN_CONCURRENCY", 8) or 8
RUN_LEASE = env.float("RUN_LEASE", 30.0) or 30.0
# Which changes a second person approves, see ipadmin/services/run_approval.py, and the hours after
# which a request for approval expires.
APPROVALS = env.str("APPROVALS", "") or ""
APPROVAL_EXPIRES_AFTER = env.int("APPROVAL_EXPIRES_AFTER", 24) or 24
# Seconds. An attempt makes at most three calls while its entry is `pending`: it reads the address,
# reads it again if the database was slow, and unallocates it. ATTEMPT_SLACK is the limit for all
# waits for the database. The process of an older `pending` entry has died.
ATTEMPT_SLACK = env.float("ATTEMPT_SLACK", 30.0) or 30.0
LONGEST_ATTEMPT = ATTEMPT_SLACK + 3 * KATAPULT_TIMEOUTS["total"]
# Seconds, after an unanswered call: between the two readings that prove that it had no effect,
# between other readings, and until the last reading. Until then the request also counts as one that
# may still be carried out (`ipadmin/audit/competing.py`).
EVIDENCE_INTERVAL = env.float("EVIDENCE_INTERVAL", 60.0) or 60.0
EVIDENCE_RETRY = env.float("EVIDENCE_RETRY", 5.0) or 5.0
EVIDENCE_DEADLINE = env.float("EVIDENCE_DEADLINE", 600.0) or 600.0
# Seconds between two runs of the reconciler in the worker.
RECONCILE_EVERY = env.float("RECONCILE_EVERY", 5.0) or 5.0
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}

INSTALLED_APPS = [
    # First: its management commands replace those of Django.
    "ipadmin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "csp",
    "django_cotton",
    "django_htmx",
    "django_tasks",
    "django_tasks_db",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    # Django adds random bytes to each compressed page, and masks CSRF tokens, against BREACH.
    "django.middleware.gzip.GZipMiddleware",
    "ipadmin.middleware.log_requests",
    "ipadmin.middleware.refuse_malformed",
    "ipadmin.middleware.add_headers",
    "ipadmin.middleware.activate_time_zone",
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
    "ipadmin.middleware.SessionRulesMiddleware",
    "ipadmin.middleware.IdentityMiddleware",
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

# Database. When DATABASE_URL is wrong there is no database, and the checks report it.
DATABASE, DATABASE_ERROR = database_from_url(
    env.str("DATABASE_URL", "") or f"sqlite:///{VAR_DIR / 'db.sqlite3'}", BASE_DIR
)
DATABASES = {"default": DATABASE}
SERIALIZATION_MODULES = {"json": "config.serializers"}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# People
AUTH_USER_MODEL = "ipadmin.User"
# Django's, because for inactive users it responds as for a wrong password, unlike allauth's.
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
PASSWORD_HASHERS = [
    "ipadmin.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "ipadmin.passwords.StrengthValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_ADAPTER = "ipadmin.adapter.Adapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
# Wrong passwords are limited in ipadmin/services/lockouts.py. `login_failed` is for codes of second
# factors, by account. No limit of sign-ins by address: a whole office may be behind one.
ACCOUNT_RATE_LIMITS = {
    "login": None,
    "login_failed": "5/5m/key",
    "change_password": "10/15m/user",
}
# A session lasts a working day from the sign-in, without a `Remember me` option, and ends earlier
# after SESSION_IDLE_TIMEOUT seconds without a request.
ACCOUNT_SESSION_REMEMBER = True
SESSION_ENGINE = "ipadmin.sessions"
SESSION_COOKIE_AGE = 12 * 60 * 60
# Seconds after which a dangerous step asks for a proof of identity again, such as the password; and
# after which unallocating does. 0 asks every time.
REAUTHENTICATE_AFTER = 900
UNALLOCATE_REAUTHENTICATE_AFTER = env.int("UNALLOCATE_REAUTHENTICATE_AFTER", 8 * 60 * 60)
SESSION_IDLE_TIMEOUT = env.int("SESSION_IDLE_TIMEOUT", 7200) or 7200
# Not Django's default, which saves long messages in the session: saving starts the twelve hours
# again.
MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"

# Sign-in with OpenID Connect, if there are a discovery URL and the id of a client. Roles are those
# that OIDC_ROLES names for the values of a claim, `value=role`, at each sign-in.
SOCIALACCOUNT_ADAPTER = "ipadmin.adapter.SocialAdapter"
OIDC_DISCOVERY_URL = env.str("OIDC_DISCOVERY_URL", "") or ""
OIDC_CLIENT_ID = env.str("OIDC_CLIENT_ID", "") or ""
OIDC_CLIENT_SECRET = env.str("OIDC_CLIENT_SECRET", "") or ""
OIDC_NAME = env.str("OIDC_NAME", "") or "single sign-on"
OIDC_ROLE_CLAIM = env.str("OIDC_ROLE_CLAIM", "") or "groups"
# A value of the claim may contain an equals sign, a role does not.
OIDC_ROLES = {each.rpartition("=")[0]: each.rpartition("=")[2] for each in _list("OIDC_ROLES")}
OIDC_ALLOWED_DOMAIN = env.str("OIDC_ALLOWED_DOMAIN", "") or ""
# Where its sign-in page is, if not on the host of the discovery URL.
OIDC_SIGN_IN_URL = env.str("OIDC_SIGN_IN_URL", "") or OIDC_DISCOVERY_URL
# Whether people can sign in without it: on or off.
LOCAL_SIGN_IN = env.str("LOCAL_SIGN_IN", "") or "on"

# Counts failed sign-ins for all processes: in the database, or in Redis with CACHE_URL.
CACHE_URL = env.str("CACHE_URL", "") or ""
DATABASE_CACHE = {
    "BACKEND": "ipadmin.cache.DatabaseCache",
}
REDIS_CACHE = {
    "BACKEND": "django.core.cache.backends.redis.RedisCache",
    "LOCATION": CACHE_URL,
    "OPTIONS": {"serializer": "ipadmin.cache.JsonSerializer"},
}
# For what each process counts for itself.
MEMORY_CACHE = {
    "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
    "OPTIONS": {"MAX_ENTRIES": 100_000},
}
CACHES = {"default": REDIS_CACHE if CACHE_URL else DATABASE_CACHE, "memory": MEMORY_CACHE}

# Second factors: passkeys (which also work without a password), codes of an authenticator app, and
# recovery codes, which are shown once. Passkeys always verify the person, by PIN or biometrics, so
# that one alone is two factors. Of whom one is required: no, unallocate (of those who may), or
# everyone, after so many days of grace.
MFA_ADAPTER = "ipadmin.adapter.MfaAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_WEBAUTHN_USER_VERIFICATION = "required"
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_TOTP_ISSUER = "IP admin"
MFA_FORMS = {
    "add_webauthn": "ipadmin.forms.AddPasskeyForm",
    "authenticate_webauthn": "ipadmin.forms.SecondPasskeyForm",
    "edit_webauthn": "ipadmin.forms.RenamePasskeyForm",
    "login_webauthn": "ipadmin.forms.SignInPasskeyForm",
    "reauthenticate_webauthn": "ipadmin.forms.ConfirmPasskeyForm",
}
# A whole office may be behind one address, and a signature is cheap to check.
MFA_RATE_LIMITS = {"webauthn_login": "120/m/ip"}
SECOND_FACTOR = env.str("SECOND_FACTOR", "") or "no"
SECOND_FACTOR_GRACE_DAYS = env.int("SECOND_FACTOR_GRACE_DAYS", 7)
# Hours for which the link of an invitation is valid, and the mail server that sends it, if any.
INVITATION_HOURS = env.int("INVITATION_HOURS", 72) or 72
EMAIL_HOST = env.str("EMAIL_HOST", "") or ""
EMAIL_PORT = env.int("EMAIL_PORT", 587) or 587
EMAIL_HOST_USER = env.str("EMAIL_HOST_USER", "") or ""
EMAIL_HOST_PASSWORD = env.str("EMAIL_HOST_PASSWORD", "") or ""
EMAIL_USE_TLS = env.bool("EMAIL_USE_TLS", True) is not False
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str("EMAIL_FROM", "") or "ip-admin@localhost"

# The number of proxies in front of the site, each of which adds to X-Forwarded-For. With none, such
# headers come from clients and are ignored.
TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXY_COUNT", 0) or 0
ALLAUTH_TRUSTED_PROXY_COUNT = TRUSTED_PROXY_COUNT
if TRUSTED_PROXY_COUNT > 0:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# Transport. With the sandbox the site uses HTTP on this machine, otherwise HTTPS only.
HTTPS = not SANDBOX
_ssl_redirect = env.bool("SECURE_SSL_REDIRECT", HTTPS)
SECURE_SSL_REDIRECT = HTTPS if _ssl_redirect is None else _ssl_redirect
SECURE_REDIRECT_EXEMPT = [r"^healthz$"]
SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
# With the prefix __Host- browsers refuse such a cookie from a sub-domain or over HTTP.
SESSION_COOKIE_NAME = "__Host-session" if HTTPS else "sandbox_session"
CSRF_COOKIE_NAME = "__Host-csrf" if HTTPS else "sandbox_csrf"
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "ipadmin.views.site.csrf_failure"
# Chromium applies form-action to the redirects after a form, too.
_form_targets = [KATAPULT_OAUTH_AUTHORIZE_URL] if KATAPULT_OAUTH_CLIENT_ID else []
_form_targets += [OIDC_SIGN_IN_URL] if OIDC_SIGN_IN_URL else []
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        "font-src": [SELF],
        "form-action": [SELF, *map(origin, _form_targets)],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

# Static files, with hashed names and compressed. Tests run without that and collectstatic.
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
TIME_ZONE = "UTC"

LOGGING = logging.configuration(as_json=not (DEBUG or SANDBOX))
DEFAULT_EXCEPTION_REPORTER_FILTER = "config.logging.ReporterFilter"

# Variable to messages, for values that could not be read.
ENVIRONMENT_ERRORS: dict[str, list[str]] = {}
try:
    env.seal()
except EnvValidationError as error:
    if isinstance(error.error_messages, dict):  # and not a list, of one variable
        ENVIRONMENT_ERRORS = error.error_messages
