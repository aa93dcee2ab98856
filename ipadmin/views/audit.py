"""The audit history: every attempt, and one of them."""

from __future__ import annotations

import uuid

from django.http import HttpResponse, QueryDict
from django.shortcuts import render
from django.views.decorators.http import require_safe
from django_htmx.http import HttpResponseClientRefresh

from ipadmin import access, explanations
from ipadmin.access import SignedInRequest, history_readers_only
from ipadmin.filters import HistoryFilters
from ipadmin.models import AuditEntry
from ipadmin.services import history
from ipadmin.views.parts import result, wants_part


@require_safe
@history_readers_only
def audit(request: SignedInRequest) -> HttpResponse:
    """Newest first, filtered and paged by the URL alone."""
    filters = HistoryFilters(request.GET)
    entries = filters.apply(access.visible_entries(request.user))
    page = history.page(
        entries, before=_number(request.GET, "before"), after=_number(request.GET, "after")
    )
    context = {
        "filters": filters,
        "entries": page.entries,
        "older_url": _url(request.GET, before=page.older_than),
        "newer_url": _url(request.GET, after=page.newer_than),
        "active_filters": filters.active(),
        "has_any": bool(page.entries) or AuditEntry.objects.exists(),
    }
    return render(
        request, "ipadmin/_entries.html" if wants_part(request) else "ipadmin/audit.html", context
    )


@require_safe
@history_readers_only
def audit_entry(request: SignedInRequest, attempt_id: uuid.UUID) -> HttpResponse:
    entry = access.visible_entry(request.user, attempt_id)
    context = {"entry": entry, "explanation": explanations.of_entry(entry)}
    return render(request, "ipadmin/audit_entry.html", context)


@require_safe
@history_readers_only
def attempt_result(request: SignedInRequest, attempt_id: uuid.UUID) -> HttpResponse:
    """The result of one attempt as it stands now; an open one asks for it again and again. The
    page of an entry shows much that an outcome changes: it is told when to load itself anew."""
    entry = access.visible_entry(request.user, attempt_id)
    if request.GET.get("page") == "1":
        return HttpResponse(status=204) if entry.is_open else HttpResponseClientRefresh()
    return result(request, entry)


def _number(query: QueryDict, name: str) -> int | None:
    text = query.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _url(query: QueryDict, **page: int | None) -> str:
    """The same filters on another page; nothing when there is no such page."""
    ((name, number),) = page.items()
    if number is None:
        return ""
    changed = query.copy()
    for each in ("before", "after"):
        changed.pop(each, None)
    changed[name] = str(number)
    return f"?{changed.urlencode()}"
