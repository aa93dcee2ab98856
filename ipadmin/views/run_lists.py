"""Lists of runs: all of them, and those that wait for the user."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ipadmin.access import SignedInRequest, history_readers_only, operators_only
from ipadmin.models import RunState
from ipadmin.services import run_lists as lists
from ipadmin.services.runs import visible_to
from ipadmin.ui import run_lists as texts

PER_PAGE = 25


@require_safe
@operators_only
def waiting(request: SignedInRequest) -> HttpResponse:
    """What waits for the user."""
    found = lists.waiting_for(request.user)
    sizes = lists.sizes([*found.approvals, *found.runs])
    context = {
        "found": found,
        "approvals": [*texts.listed(found.approvals, sizes)],
        "own": [*texts.listed(found.runs, sizes)],
    }
    return render(request, "ipadmin/waiting.html", context)


@require_safe
@history_readers_only
def runs(request: SignedInRequest) -> HttpResponse:
    """All runs that the user may see, newest first; drafts are not among them."""
    state = request.GET.get("state", "")
    found = visible_to(request.user).exclude(state=RunState.DRAFT)
    if state in texts.FILTERS:
        found = found.filter(state__in=texts.FILTERS[state][1])
    page = Paginator(found.order_by("-created_at"), PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "runs": [*texts.listed(page, lists.sizes([*page]))],
        "tabs": texts.tabs(state),
        "is_filtered": state in texts.FILTERS,
        "empty": texts.empty(state),
    }
    return render(request, "ipadmin/runs.html", context)
