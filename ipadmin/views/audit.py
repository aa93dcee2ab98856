"""The audit history: all attempts, and the page of one."""

from __future__ import annotations

import json
import uuid

from django.http import HttpResponse, JsonResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.timezone import get_current_timezone
from django.views.decorators.http import require_safe
from django_htmx.http import HttpResponseClientRefresh

from ipadmin import access
from ipadmin.access import SignedInRequest, history_readers_only
from ipadmin.audit import document
from ipadmin.audit.integrity import entry_seal, status
from ipadmin.audit.search import choices, pages, timeline
from ipadmin.audit.search.plan import fetch_plan
from ipadmin.audit.search.summary import summarize
from ipadmin.models.search_keys import address_of
from ipadmin.services import undo
from ipadmin.ui import entry_texts, history_texts, undo_texts
from ipadmin.ui.charts import chart, sparkline
from ipadmin.ui.history_form import PAGES, HistoryFilters
from ipadmin.ui.time_zones import TIMES_COOKIE
from ipadmin.views.parts import explained, result, undo_url, wants_part


@require_safe
@history_readers_only
def audit(request: SignedInRequest) -> HttpResponse:
    """Entries, newest first. The URL alone holds the filters and the page."""
    within = access.own_organizations(request.user)
    filters = HistoryFilters(request.GET, within)
    before, after = (pages.parse_cursor(request.GET.get(name, "")) for name in PAGES)
    plan = fetch_plan(filters.search)
    page = pages.page(plan, before=before, after=after)
    summary = summarize(plan, filters.now, get_current_timezone())
    context = {
        "filters": filters,
        "chips": filters.chips(),
        "hidden_filters": filters.hidden(),
        "page": page,
        "older_url": filters.page_url("before", page.older_than),
        "newer_url": filters.page_url("after", page.newer_than),
        "older_label": "Search further" if page.searched_to and not page.is_newer else "Older",
        "newer_label": "Search further" if page.searched_to and page.is_newer else "Newer",
        "list_query": urlencode({"from": filters.given().urlencode()}),
        "summary": summary,
        "figures": history_texts.figures(summary),
        "count_text": history_texts.count(page, summary),
        "searched_to": history_texts.searched_to(page),
        "chart": chart(summary, filters.bar_url),
        "sparkline": sparkline(summary),
        "is_absolute": request.COOKIES.get(TIMES_COOKIE) == "absolute",
        "chart_unit": history_texts.UNIT_ADVERBS[summary.unit],
        "error_links": [(code, n, filters.url(error=code)) for code, n in summary.errors],
        # Callables: only a whole page, an empty one, or the oldest needs them.
        "pruned_before": status.pruned_before,
        "vocabulary": lambda: choices.vocabulary(within),
        "empty": lambda: history_texts.empty(
            page, has_any=access.visible_entries(request.user).exists()
        ),
    }
    template = "ipadmin/_entries.html" if wants_part(request) else "ipadmin/audit.html"
    return render(request, template, context)


@require_safe
@history_readers_only
def audit_entry(request: SignedInRequest, attempt_id: uuid.UUID) -> HttpResponse:
    """Everything that is known of one attempt, its seal, and the attempts before and after it."""
    entry = access.visible_entry(request.user, attempt_id)
    seen = access.visible_entries(request.user)
    values = document.values_of(entry)
    seal = entry_seal.seal_of(values)
    came_from, address = _list_of(request), address_of(entry.address_key)
    # Without a list, the neighbours are those on the same address.
    near = came_from or HistoryFilters(
        QueryDict(urlencode({"q": address, "when": "all"})),
        access.own_organizations(request.user),
    )
    context = {
        "entry": entry,
        "explanation": explained(request.user, entry),
        "address": address,
        "list_url": reverse("audit") + (came_from.url() if came_from else ""),
        "list_query": f"?{urlencode({'from': came_from.given().urlencode()})}" if came_from else "",
        "neighbours": timeline.neighbours(fetch_plan(near.search), entry)
        if came_from or address
        else None,
        "seal": entry_texts.seal_badge(seal),
        "document_text": _document_text(values),
        "ticket": entry_texts.ticket(entry, request.build_absolute_uri(entry.get_absolute_url())),
        "undo_url": undo_url(request.user, entry),
        "related": undo_texts.related(entry, undo.related(entry, seen)),
        "summary": entry_texts.summary(entry),
        "readings": list(entry_texts.readings(entry)),
        "cards": entry_texts.cards(entry),
        "response": entry_texts.response(entry),
        "record": entry_texts.record(entry, seal),
    }
    return render(request, "ipadmin/audit_entry.html", context)


def _list_of(request: SignedInRequest) -> HistoryFilters | None:
    """The list that the reader came from, by `?from=` and its query. Its entries are those that the
    reader may see, whatever the query says; None for an invalid one."""
    query = request.GET.get("from")
    if query is None:
        return None
    filters = HistoryFilters(QueryDict(query), access.own_organizations(request.user))
    return None if filters.errors else filters


@require_safe
@history_readers_only
def audit_entry_json(request: SignedInRequest, attempt_id: uuid.UUID) -> HttpResponse:
    """The document of an entry: what is exported, and sealed when the attempt has finished."""
    entry = access.visible_entry(request.user, attempt_id)
    text = _document_text(document.values_of(entry))
    if not text:
        return JsonResponse({"error": "unreadable_entry"}, status=422)
    return HttpResponse(text, content_type="application/json")


def _document_text(values: document.RawEntry) -> str:
    """The document with line breaks; empty if the entry holds what JSON cannot express."""
    try:
        found = document.document_of(values)
    except ValueError:
        return ""
    return json.dumps(found, indent=2, ensure_ascii=False, sort_keys=True)


@require_safe
@history_readers_only
def attempt_result(request: SignedInRequest, attempt_id: uuid.UUID) -> HttpResponse:
    """The result of one attempt; a page that shows an open one asks for it regularly. The page of
    an entry (`?page=1`) shows more that an outcome changes: it reloads when there is one."""
    entry = access.visible_entry(request.user, attempt_id)
    if request.GET.get("page") == "1":
        return HttpResponse(status=204) if entry.is_open else HttpResponseClientRefresh()
    return result(request, entry)
