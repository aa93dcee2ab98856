"""What several views share: requests for part of a page, and the result of an attempt."""

from __future__ import annotations

from allauth.account.adapter import get_adapter
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from ipadmin import access, crypto
from ipadmin.access import SignedInRequest
from ipadmin.audit import competing
from ipadmin.audit.activity import Actor
from ipadmin.katapult.errors import KatapultError
from ipadmin.models import AuditEntry, User
from ipadmin.services import budget, later_reads
from ipadmin.ui import explanations

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
    """An attempt and its outcome: a table row with `?table=1`, else a section."""
    explanation = explained(request.user, entry)
    context = {
        "entry": entry,
        "explanation": explanation,
        "heading": explanations.heading(entry, explanation),
        "token_id": entry.token_id,
        "in_table": request.GET.get("table") == "1",
    }
    return render(request, "ipadmin/_result.html", context)
