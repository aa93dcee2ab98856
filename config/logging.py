"""Logging with structlog, which also formats the standard library's loggers."""

from __future__ import annotations

import re
from collections.abc import ItemsView, Mapping
from types import TracebackType

import structlog
from django.http import HttpRequest
from django.views.debug import SafeExceptionReporterFilter
from structlog.typing import EventDict, Processor, WrappedLogger

HIDDEN = "[hidden]"
# Keys whose values may contain form data or headers.
NEVER_LOGGED = {
    *("authorization", "cookie", "cookies", "headers", "meta", "request", "response"),
    *("body", "content", "data", "form", "params", "password", "post", "query", "secret", "token"),
}


class ReporterFilter(SafeExceptionReporterFilter):
    """Hides form data, local variables and secret settings on Django's debug page."""

    hidden_settings = re.compile(
        f"{SafeExceptionReporterFilter.hidden_settings.pattern}|NOTIFY_URLS", re.IGNORECASE
    )

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, str]:
        return dict.fromkeys(request.POST, HIDDEN) if request else {}

    def get_traceback_frame_variables(
        self, request: HttpRequest | None, tb_frame: TracebackType
    ) -> ItemsView[str, object]:
        return {}.items()


def hide(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace headers and form data that were logged by mistake."""
    for key in event:
        if key.lower() in NEVER_LOGGED:
            event[key] = HIDDEN
        elif isinstance(event[key], Mapping):
            event[key] = dict(hide(_logger, _method, dict(event[key])))
    return event


STDOUT = {
    "class": "logging.StreamHandler",
    "stream": "ext://sys.stdout",
    "formatter": "structured",
}
QUIET = {"handlers": [], "propagate": True}
# apprise logs parts of URLs, which can be secret: `ipadmin/services/notify.py` logs instead.
SILENT = {"handlers": ["null"], "propagate": False}
LOGGERS = {
    "django": QUIET,
    "django.server": QUIET,
    # The middleware logs each response already; this adds the tracebacks of errors.
    "django.request": {**QUIET, "level": "ERROR"},
    # Scanners send any host. It is rejected, and the middleware logs the request.
    "django.security.DisallowedHost": {"level": "CRITICAL"},
    "gunicorn.error": QUIET,
    "httpx": {"level": "WARNING"},
    "httpcore": {"level": "WARNING"},
    "apprise": SILENT,
    "requests": SILENT,
    "urllib3": SILENT,
}


def configuration(*, as_json: bool) -> dict[str, object]:
    """Django's LOGGING: to stdout, as JSON lines or as key=value for people."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        hide,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    # Both without local variables in tracebacks.
    renderers: list[Processor] = [
        structlog.dev.ConsoleRenderer(
            colors=False, sort_keys=False, exception_formatter=structlog.dev.plain_traceback
        )
    ]
    if as_json:
        renderers = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    structured = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": shared,
        "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"structured": structured},
        "handlers": {"stdout": STDOUT, "null": {"class": "logging.NullHandler"}},
        "root": {"handlers": ["stdout"], "level": "INFO"},
        "loggers": LOGGERS,
    }
