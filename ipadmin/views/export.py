"""Export all entries that match the filters of the history page: the form, and the download."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, tzinfo
from functools import partial

import structlog
from django import forms
from django.conf import settings
from django.db import DatabaseError
from django.http import HttpResponse, QueryDict, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from ipadmin import access
from ipadmin.access import SignedInRequest, history_readers_only
from ipadmin.audit.export import csv
from ipadmin.audit.export.export import Format, export
from ipadmin.audit.export.limits import Download, TooManyDownloads
from ipadmin.audit.search.plan import fetch_plan
from ipadmin.audit.search.summary import summarize
from ipadmin.ui import export_texts
from ipadmin.ui.history_form import HistoryFilters
from ipadmin.ui.time_zones import browsers_zone, name_of, text_of, zone_called
from ipadmin.views.parts import actor, wants_part

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


class ExportForm(forms.Form):
    """Beside the filters of the history: the form of the file."""

    format = forms.ChoiceField(
        choices=export_texts.FORMATS, initial=Format.CSV, widget=forms.RadioSelect
    )
    columns = forms.ChoiceField(
        label="Columns of CSV",
        choices=export_texts.COLUMNS,
        initial="short",
        required=False,
        widget=forms.RadioSelect,
    )
    file_zone = forms.ChoiceField(label="Time zone of CSV", required=False)

    def __init__(self, data: QueryDict, readers_zone: tzinfo | None, *, is_sent: bool) -> None:
        """Data that are not sent come from an export that had to wait for a proof of identity."""
        fields = self.base_fields.items()
        before = {name: data.get(name, field.initial) for name, field in fields}
        super().__init__(data if is_sent else None, initial=before)
        names = dict.fromkeys(["UTC", *([name_of(readers_zone)] if readers_zone else [])])
        self.fields["file_zone"].choices = [(name, name) for name in names]  # type: ignore[attr-defined]

    @property
    def layout(self) -> csv.Layout:
        columns = tuple(csv.COLUMNS) if self.cleaned_data["columns"] == "all" else csv.SHORT
        return csv.Layout(columns, zone_called(self.cleaned_data["file_zone"]) or UTC)


@require_http_methods(["GET", "HEAD", "POST"])
@history_readers_only
def audit_export(request: SignedInRequest) -> HttpResponseBase:
    """The form, in a dialog for htmx. A POST downloads the file, newest entries first: it is
    recorded in the audit log."""
    is_sent = request.method == "POST"
    data = (request.POST if is_sent else request.GET).copy()
    data.pop("csrfmiddlewaretoken", None)
    filters = HistoryFilters(
        _without(data, ExportForm.base_fields), access.own_organizations(request.user)
    )
    zone = browsers_zone(request.COOKIES)
    form = ExportForm(data, zone, is_sent=is_sent)
    if filters.errors or form.errors:
        return _not_exported(request, 400, _not_understood(filters, form))
    if is_sent:
        if filters.is_everything:
            # Back to this page, not on to the download, after which the proof would still be shown.
            page = f"{request.path}?{data.urlencode()}"
            access.require_identity(request, within=settings.REAUTHENTICATE_AFTER, page=page)
        return _download(request, filters, form)
    context = {
        "form": form,
        "filters": filters,
        "facts": export_texts.facts(filters),
        "lines": export_texts.lines(summarize(fetch_plan(filters.search), filters.now)),
    }
    template = "_export_form.html" if wants_part(request) else "export.html"
    return render(request, f"ipadmin/{template}", context)


def _without(data: QueryDict, names: Iterable[str]) -> QueryDict:
    rest = data.copy()
    for name in names:
        rest.pop(name, None)
    return rest


def _download(
    request: SignedInRequest, filters: HistoryFilters, form: ExportForm
) -> HttpResponseBase:
    format = Format(form.cleaned_data["format"])
    begin = partial(
        export,
        filters.apply(access.visible_entries(request.user)).order_by("-created_at", "-id"),
        format,
        by=actor(request),
        criteria=filters.criteria(),
        layout=form.layout,
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
    return StreamingHttpResponse(download, content_type=CONTENT_TYPES[format], headers=headers)


def _not_understood(*of: forms.Form) -> str:
    """Why nothing is exported: without an invalid filter, the file would have more entries than
    requested."""
    wrong = [
        f"{form.fields[name].label or name.capitalize()}: {' '.join(map(str, errors))}"
        for form in of
        for name, errors in form.errors.items()
    ]
    return f"Some values are invalid. {' '.join(wrong)}"


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
