"""What several views share: requests for part of a page, and the result of an attempt."""

from __future__ import annotations

from urllib.parse import urlsplit

from allauth.account.adapter import get_adapter
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django_htmx.http import trigger_client_event

from ipadmin import access, crypto
from ipadmin.access import SignedInRequest
from ipadmin.audit import competing
from ipadmin.audit.activity import Actor
from ipadmin.katapult.errors import KatapultError
from ipadmin.models import AuditEntry, User
from ipadmin.services import budget, changes, inventory, later_reads, listing
from ipadmin.services.listing import Filters, Row
from ipadmin.ui import entry_texts, explanations

# What a call to Katapult with a stored token raises.
CANNOT_READ = (KatapultError, crypto.CannotDecrypt, budget.ReadsWait)


def wants_part(request: HttpRequest) -> bool:
    """Whether htmx asks for part of a page. Boosted links and restored history get all of it. Reads
    the headers itself: a request that failed early did not reach the htmx middleware."""
    headers = request.headers
    whole = "HX-Boosted" in headers or "HX-History-Restore-Request" in headers
    return headers.get("HX-Request") == "true" and not whole


def actor(request: SignedInRequest) -> Actor:
    """The user, as activity names them."""
    return Actor(
        user_id=request.user.pk,
        user_name=request.user.get_username(),
        source_ip=get_adapter(request).get_client_ip(request) or "",
        request_id=request.request_id,
    )


def explained(user: User, entry: AuditEntry) -> explanations.Explanation:
    """An attempt explained, with its competing attempts that the user may see."""
    others = competing.named_by(entry, access.visible_entries(user))
    return explanations.of_entry(entry, others, later_reads.of(entry))


def result(request: SignedInRequest, entry: AuditEntry) -> HttpResponse:
    """An attempt and its outcome: a table row with `?table=1`, else a section. Lists on the page
    hear of a finished attempt by the event `attempted`."""
    explanation = explained(request.user, entry)
    context = {
        "entry": entry,
        "explanation": explanation,
        "heading": explanations.heading(entry, explanation),
        "token_id": entry.token_id,
        "in_table": request.GET.get("table") == "1",
        "ticket": entry_texts.ticket(entry, request.build_absolute_uri(entry.get_absolute_url())),
        "next": _next(request, entry),
    }
    response = render(request, "ipadmin/_result.html", context)
    if entry.is_open:
        return response
    return trigger_client_event(response, "attempted", after="settle")


def _next(request: SignedInRequest, entry: AuditEntry) -> Row | None:
    """The next row of the list that the attempt was made from, if it can be unallocated."""
    here = urlsplit(request.htmx.current_url or "")
    token = request.user.api_tokens.filter(id=entry.token_id).first()
    if token is None or here.path != reverse("addresses", args=[token.id]):
        return None
    if (known := inventory.stored(token)) is None:
        return None
    query = QueryDict(here.query)
    # As it was read: there the address is still where the operator saw it.
    rows = listing.listing(known, Filters.of(query.dict()), page=query.get("page", 1)).rows
    ids = [row.ip.id for row in rows]
    after = rows[ids.index(entry.address_id) + 1 :] if entry.address_id in ids else []
    done = changes.attempts_since(known, token)
    return next((row for row in after if not row.why_not and row.ip.id not in done), None)
