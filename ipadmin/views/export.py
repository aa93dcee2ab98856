"""Download all entries that match the filters of the history page."""

from __future__ import annotations

from typing import Any

import structlog
from allauth.account.adapter import get_adapter
from django.db import DatabaseError
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_POST

from ipadmin import access
from ipadmin.access import SignedInRequest, history_readers_only
from ipadmin.audit.export.export import Format, export
from ipadmin.audit.export.limits import Download, DownloadLimit, TooManyDownloads
from ipadmin.ui.history_form import HistoryFilters

NOT_SEALED = (
    "Each export is recorded in the audit log, and this one could not be recorded. "
    "Try again in a minute. If it fails again, ask the administrator of this site."
)
IS_RUNNING = "Another export of yours is running. Wait for it or cancel it, then try again."
ALL_RUNNING = (
    "This site is busy with other exports. Try again in a minute. The history page keeps your "
    "filters."
)
RETRY_AFTER_SECONDS = 60
# Far fewer than gunicorn has threads.
DOWNLOADS = DownloadLimit(4)

log = structlog.get_logger(__name__)


@require_POST
@history_readers_only
def audit_export(request: SignedInRequest) -> HttpResponseBase:
    """Newest first. A POST, because each export is recorded."""
    filters = HistoryFilters(request.POST, access.own_organizations(request.user))
    format = request.POST.get("format", "")
    if format not in list(Format) or filters.errors:
        return _not_exported(request, 400, _not_understood(filters, format))
    entries = filters.apply(access.visible_entries(request.user))
    try:
        slot = DOWNLOADS.acquire(request.user.pk)
    except TooManyDownloads as full:
        return _not_exported(request, 503, IS_RUNNING if full.is_own else ALL_RUNNING)
    try:
        pieces = export(
            entries.order_by("-created_at", "-id"),
            Format(format),
            by=_by(request),
            criteria=filters.criteria(),
        )
    except DatabaseError:
        slot.release()
        log.exception("export_not_sealed")
        return _not_exported(request, 503, NOT_SEALED)
    name = f"history-{timezone.now():%Y-%m-%dT%H%M%SZ}.{format}"
    return _download(Download(pieces, slot), Format(format).content_type, name)


def _by(request: SignedInRequest) -> dict[str, Any]:
    return {
        "user_id": request.user.pk,
        "user_name": request.user.get_username(),
        "source_ip": get_adapter(request).get_client_ip(request),
        "request_id": request.request_id,
    }


def _not_understood(filters: HistoryFilters, format: str) -> str:
    """What is wrong with the filters. An export without a wrong filter would hold too much."""
    wrong = [
        f"{filters.fields[name].label or name.capitalize()}: {' '.join(map(str, errors))}"
        for name, errors in filters.errors.items()
    ]
    if format not in list(Format):
        wrong.append(f"Format: choose {' or '.join(Format)}.")
    return f"Some filters are invalid. {' '.join(wrong)}"


def _not_exported(request: SignedInRequest, status: int, message: str) -> HttpResponse:
    context = {"title": "Nothing was exported", "message": message}
    context["request_id"] = request.request_id
    response = render(request, "ipadmin/not_exported.html", context, status=status)
    if status == 503:
        response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def _download(pieces: Download, content_type: str, name: str) -> HttpResponseBase:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingHttpResponse(pieces, content_type=content_type, headers=headers)
