"""The search from anywhere: a panel below its field, or a page."""

from __future__ import annotations

import uuid

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_safe

from ipadmin import access
from ipadmin.access import SignedInRequest, operators_only
from ipadmin.audit.search import pages, people
from ipadmin.audit.search.pages import ListedEntry
from ipadmin.audit.search.plan import fetch_plan
from ipadmin.audit.search.query import Search, interpret
from ipadmin.services import find, inventory
from ipadmin.ui import search_results
from ipadmin.views.parts import CANNOT_READ, problem, wants_part

# Characters of a search that is no pasted text.
MAX_LENGTH = 200
# Characters of a text in a URL: proxies and gunicorn refuse a long one. A longer text is sent by
# POST.
MAX_IN_URL = 1000


@require_http_methods(["GET", "HEAD", "POST"])
def search(request: SignedInRequest) -> HttpResponse:
    """Addresses of all the user's tokens, machines, people, entries and pages of the site; for a
    pasted text exactly the addresses that it names. POST changes nothing."""
    is_post = request.method == "POST"
    given = (request.POST if is_post else request.GET).get("q", "")
    text = given.replace("\0", "").strip()
    context: dict[str, object] = {
        "text": text,
        "max_in_url": MAX_IN_URL,
        "max_pasted": find.MAX_PASTED_LENGTH + 1,
        # A longer text is in the field for pasted texts only.
        "shown": text if len(given) <= MAX_IN_URL else "",
        "results": search_results.NOTHING_SOUGHT,
        "is_cut": not is_post and len(given) >= MAX_IN_URL,
    }
    abilities = access.abilities(request.user)
    if abilities.may_unallocate and (len(text) > MAX_LENGTH or find.is_pasted(text)):
        context["results"] = search_results.pasted(find.pasted(request.user, text))
        context["is_pasted"] = True
    elif text:
        text = find.as_item(text) or text[:MAX_LENGTH]
        found = find.find(request.user, text) if abilities.may_unallocate else find.Found()
        entries, names = _history(request, text) if abilities.may_view_history else ([], [])
        context["results"] = search_results.results(text, abilities, found, entries, names)
    is_part = wants_part(request)
    template = "ipadmin/_search_results.html" if is_part else "ipadmin/search.html"
    return render(request, template, context)


@require_safe
@operators_only
def lookup(request: SignedInRequest, token_id: uuid.UUID) -> HttpResponse:
    """To the page of an address, which Katapult is asked for, or why there is none. To the search
    for any other text."""
    token = access.own_ready_token(request.user, token_id)
    text = request.GET.get("q", "")
    address = find.as_item(text)
    if not address or "/" in address or "_" in address:
        return redirect(f"{reverse('search')}?{urlencode({'q': text})}")
    try:
        return redirect("address", token.id, inventory.find(token, address=address).id)
    except CANNOT_READ as error:
        context = {"token": token, "sought": address, "problem": problem(request, error, token)}
        return render(request, "ipadmin/lookup.html", context)


def _history(request: SignedInRequest, text: str) -> tuple[list[ListedEntry], list[str]]:
    """The newest entries that the text finds, and people whose names begin with it."""
    within = access.own_organizations(request.user)
    meaning = interpret(text, people.beginning)
    narrowed = Search(organizations=within, is_narrowed=within is not None, interpretation=meaning)
    matches = pages.find(fetch_plan(narrowed), limit=find.PER_KIND)
    names = [] if within is not None else people.in_history(meaning.people)
    return pages.listed(matches.cursors), names[: find.PER_KIND]
