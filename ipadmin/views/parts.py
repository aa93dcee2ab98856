"""What several views share: requests for part of a page, and the result of an attempt."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render

from ipadmin import access
from ipadmin.access import SignedInRequest
from ipadmin.audit import competing
from ipadmin.models import AuditEntry, User
from ipadmin.services import later_reads
from ipadmin.ui import explanations


def wants_part(request: SignedInRequest) -> bool:
    """Whether htmx asks for part of a page. Boosted links and restored history get all of it."""
    htmx = request.htmx
    return bool(htmx) and not htmx.boosted and not htmx.history_restore_request


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
