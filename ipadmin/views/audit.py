"""The audit history: every attempt, and one of them."""

from __future__ import annotations

import uuid

from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from django_htmx.http import HttpResponseClientRefresh

from ipadmin import access
from ipadmin.access import SignedInRequest, history_readers_only
from ipadmin.audit import document
from ipadmin.audit.integrity import entry_seal, status
from ipadmin.audit.search import pages, timeline
from ipadmin.audit.search.summary import summarize
from ipadmin.models.search_keys import address_of
from ipadmin.services import live_state
from ipadmin.ui.charts import chart
from ipadmin.ui.history_form import PAGES, HistoryFilters
from ipadmin.views.parts import explained, result, wants_part


@require_safe
@history_readers_only
def audit(request: SignedInRequest) -> HttpResponse:
    """Newest first, asked and paged by the URL alone."""
    within = access.own_organizations(request.user)
    filters = HistoryFilters(request.GET, within)
    before, after = (pages.place_at(request.GET.get(name, "")) for name in PAGES)
    page = pages.page(filters.search, before=before, after=after)
    summary = summarize(filters.search, filters.now)
    context = {
        "filters": filters,
        "chips": filters.chips(),
        "page": page,
        "older_url": filters.page_url(before=page.older_than),
        "newer_url": filters.page_url(after=page.newer_than),
        "summary": summary,
        "chart": chart(summary, filters.bar_url),
        "pruned_before": status.pruned_before(),
        "error_links": [(code, n, filters.url(error=code)) for code, n in summary.errors],
        # Callables: only a whole page, or an empty one, asks for them.
        "vocabulary": lambda: pages.vocabulary(within),
        "has_any": lambda: bool(page.entries) or access.visible_entries(request.user).exists(),
    }
    template = "ipadmin/_entries.html" if wants_part(request) else "ipadmin/audit.html"
    return render(request, template, context)


@require_safe
@history_readers_only
def audit_entry(request: SignedInRequest, attempt_id: uuid.UUID) -> HttpResponse:
    """Everything that is kept of an attempt, how its seal stands, and the attempts around it."""
    entry = access.visible_entry(request.user, attempt_id)
    values = document.values_of(entry)
    may_look = access.abilities(request.user).may_unallocate
    context = {
        "entry": entry,
        "explanation": explained(request.user, entry),
        "neighbours": timeline.neighbours(access.visible_entries(request.user), entry),
        "timeline_of": address_of(entry.address_key),
        "token": live_state.token_for(request.user, entry) if may_look else None,
        "seal": entry_seal.seal_of(values),
        "document": _document(values),
    }
    return render(request, "ipadmin/audit_entry.html", context)


@require_safe
@history_readers_only
def audit_entry_json(request: SignedInRequest, attempt_id: uuid.UUID) -> JsonResponse:
    """The document of an entry, as it is exported, and sealed once it is finished."""
    entry = access.visible_entry(request.user, attempt_id)
    found = _document(document.values_of(entry))
    layout = {"indent": 2, "ensure_ascii": False}
    return JsonResponse(
        found or {"error": "unreadable_entry"},
        status=200 if found else 422,
        json_dumps_params=layout,
    )


def _document(values: document.RawEntry) -> document.Document | None:
    """None when somebody wrote into the entry what no document can hold."""
    try:
        return document.document_of(values)
    except ValueError:
        return None


@require_safe
@history_readers_only
def attempt_result(request: SignedInRequest, attempt_id: uuid.UUID) -> HttpResponse:
    """The result of one attempt as it stands now; an open one asks for it again and again. The
    page of an entry shows much that an outcome changes: it is told when to load itself anew."""
    entry = access.visible_entry(request.user, attempt_id)
    if request.GET.get("page") == "1":
        return HttpResponse(status=204) if entry.is_open else HttpResponseClientRefresh()
    return result(request, entry)
