"""Download all entries that match the filters of the history page."""

from __future__ import annotations

from functools import partial

import structlog
from django.db import DatabaseError
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_POST

from ipadmin import access
from ipadmin.access import SignedInRequest, history_readers_only
from ipadmin.audit.export.export import Format, export
from ipadmin.audit.export.limits import Download, TooManyDownloads
from ipadmin.ui.history_form import HistoryFilters
from ipadmin.ui.time_zones import text_of
from ipadmin.views.parts import actor

NOT_SEALED = (
    "Every export is recorded in the audit log, and this could not be recorded. Try again in a "
    "minute. If this happens again, ask an administrator to look at the log of this site."
)
IS_RUNNING = "Your previous export is still running. Wait for it, or cancel it, then export again."
ALL_RUNNING = (
    "Too many exports are running. Try again in a minute: the history page still has your filters."
)
RETRY_AFTER_SECONDS = 60
CONTENT_TYPES = {
    Format.CSV: "text/csv; charset=utf-8; header=present",
    Format.JSON_LINES: "application/x-ndjson",
}

log = structlog.get_logger(__name__)


@require_POST
@history_readers_only
def audit_export(request: SignedInRequest) -> HttpResponseBase:
    """Newest first. A POST, because the export is recorded in the audit log."""
    filters = HistoryFilters(request.POST, access.own_organizations(request.user))
    format = request.POST.get("format", "")
    if format not in CONTENT_TYPES or filters.errors:
        return _not_exported(request, 400, _not_understood(filters, format))
    begin = partial(
        export,
        filters.apply(access.visible_entries(request.user)).order_by("-created_at", "-id"),
        Format(format),
        by=actor(request),
        criteria=filters.criteria(),
    )
    try:
        download = Download(request.user.pk, begin)
    except TooManyDownloads as full:
        return _not_exported(request, 503, IS_RUNNING if full.is_own else ALL_RUNNING)
    except DatabaseError:
        log.exception("export_not_sealed")
        return _not_exported(request, 503, NOT_SEALED)
    name = f"history-{text_of(timezone.now(), 'url').replace(':', '')}.{format}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    content_type = CONTENT_TYPES[Format(format)]
    return StreamingHttpResponse(download, content_type=content_type, headers=headers)


def _not_understood(filters: HistoryFilters, format: str) -> str:
    """Why nothing is exported: without an invalid filter, the file would have more entries than
    requested."""
    wrong = [
        f"{filters.fields[name].label or name.capitalize()}: {' '.join(map(str, errors))}"
        for name, errors in filters.errors.items()
    ]
    if format not in CONTENT_TYPES:
        wrong.append(f"Format: choose {' or '.join(Format)}.")
    return f"Some filters are invalid. {' '.join(wrong)}"


def _not_exported(request: SignedInRequest, status: int, message: str) -> HttpResponse:
    context = {
        "title": "Nothing was exported",
        "message": message,
        "request_id": request.request_id,
    }
    response = render(request, "ipadmin/not_exported.html", context, status=status)
    if status == 503:
        response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response
