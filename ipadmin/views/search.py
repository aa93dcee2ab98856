"""The search from anywhere: a panel below its field, or a page."""

from __future__ import annotations

from collections.abc import Sequence

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ipadmin import access
from ipadmin.access import SignedInRequest
from ipadmin.audit.search import pages
from ipadmin.audit.search.plan import fetch_plan
from ipadmin.audit.search.query import Search, interpret
from ipadmin.models import AuditEntry
from ipadmin.services import find
from ipadmin.ui import search_results
from ipadmin.views.parts import wants_part

# Characters of a search that is no pasted text.
MAX_LENGTH = 200


@require_safe
def search(request: SignedInRequest) -> HttpResponse:
    """Addresses of all the user's tokens, machines, people, entries and pages of the site; for a
    pasted text exactly the addresses that it names."""
    text = request.GET.get("q", "").replace("\0", "").strip()
    abilities = access.abilities(request.user)
    context: dict[str, object] = {"text": text}
    if abilities.may_unallocate and find.is_pasted(text):
        context["pasted"] = search_results.pasted(find.pasted(request.user, text))
    elif text:
        text = text[:MAX_LENGTH]
        found = find.find(request.user, text) if abilities.may_unallocate else find.Found()
        entries, people = _history(request, text) if abilities.may_view_history else ([], [])
        context["results"] = search_results.results(text, abilities, found, entries, people)
    is_part = wants_part(request)
    template = "ipadmin/_search_results.html" if is_part else "ipadmin/search.html"
    return render(request, template, context)


def _history(request: SignedInRequest, text: str) -> tuple[Sequence[AuditEntry], list[str]]:
    """The newest entries that the text finds, and people whose names begin with it."""
    within = access.own_organizations(request.user)
    narrowed = Search(
        organizations=within, is_narrowed=within is not None, interpretation=interpret(text)
    )
    matches = pages.find(fetch_plan(narrowed), limit=find.PER_KIND)
    ids = [each.id for each in matches.cursors]
    entries = AuditEntry.objects.only(*pages.LISTED_FIELDS).in_bulk(ids)
    people = [] if within is not None else pages.people(text)
    return [entries[id] for id in ids if id in entries], people[: find.PER_KIND]
