"""The reader's own sessions."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from ipadmin.access import SignedInRequest, recent_identity_required
from ipadmin.services import sessions as service
from ipadmin.ui import session_texts
from ipadmin.views.parts import actor


@require_http_methods(["GET", "HEAD", "POST"])
@recent_identity_required
def sessions(request: SignedInRequest) -> HttpResponse:
    """The list. A POST ends the session with the id `session`, or all others without one. This one
    ends by signing out."""
    this = service.id_of(request.session)
    found = service.of(request.user)
    if request.method == "POST":
        others = found.exclude(pk=this)
        one = request.POST.get("session")
        ended = service.end(others.filter(pk=one) if one else others, request.user, actor(request))
        messages.success(request, session_texts.ended(ended))
        return redirect("sessions")
    rows = [session_texts.row(each, this) for each in found]
    context = {"sessions": rows, "has_others": any(not each.is_this for each in rows)}
    return render(request, "ipadmin/sessions.html", context)


@require_POST
def stay(request: SignedInRequest) -> HttpResponse:
    """Does nothing but what every request of a person does: start the idle timeout anew."""
    return HttpResponse(status=204)
