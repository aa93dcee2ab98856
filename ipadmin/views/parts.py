"""Which of the two shapes of a page a request asks for, and the part that several views give."""

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
    """Whether htmx asks for the part alone. Boosted links and restored history get the page."""
    htmx = request.htmx
    return bool(htmx) and not htmx.boosted and not htmx.history_restore_request


def explained(user: User, entry: AuditEntry) -> explanations.Explanation:
    """An attempt in words, with the other attempts that the reader may see."""
    others = competing.named_by(entry, access.visible_entries(user))
    return explanations.of_entry(entry, others, later_reads.of(entry))


def result(request: SignedInRequest, entry: AuditEntry) -> HttpResponse:
    """An attempt as it stands, for the row (`?table=1`) or the section it was made from."""
    context = {
        "entry": entry,
        "explanation": explained(request.user, entry),
        "token_id": entry.token_id,
        "in_table": request.GET.get("table") == "1",
    }
    return render(request, "ipadmin/_result.html", context)
