"""The activity log, for auditors."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ipadmin.access import SignedInRequest, auditors_only
from ipadmin.audit import activity_log
from ipadmin.models import User
from ipadmin.ui import activity_texts
from ipadmin.views.parts import wants_part


@require_safe
@auditors_only
def activity(request: SignedInRequest) -> HttpResponse:
    """Activity, newest first: all, or of one kind, or by and about one person."""
    name = request.GET.get("person", "").strip()[:150].replace("\0", "")
    person = User.objects.filter(username__iexact=name).first() if name else None
    kind = request.GET.get("kind", "")
    before, after = (_number(request.GET.get(name, "")) for name in ("before", "after"))
    log = activity_log.Log([])
    if person or not name:
        log = activity_log.page(before=before, after=after, kind=kind, person=person)
    context = {
        "log": log,
        "activities": [activity_texts.describe(*row) for row in log.rows],
        "no_activity": activity_texts.nothing(log, name, person, is_filtered=bool(kind or name)),
        "older_label": "Search further" if log.is_cut else "Older",
        "kinds": [(*each, each[0] == kind) for each in activity_texts.FILTERS.items()],
        "kind": kind,
        "name": name,
    }
    template = "_activities.html" if wants_part(request) else "activity.html"
    return render(request, f"ipadmin/{template}", context)


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) <= 18 else None
