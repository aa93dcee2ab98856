"""Runs: drafted, confirmed, approved, followed and stopped."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh

from ipadmin import access
from ipadmin.access import (
    SignedInRequest,
    history_readers_only,
    operators_only,
    recent_identity_required,
)
from ipadmin.audit.activity import Actor
from ipadmin.forms import DecisionForm, RunForm
from ipadmin.models import Action, ApiToken, Run, RunState
from ipadmin.services import changes, inventory, listing, run_approval
from ipadmin.services import runs as service
from ipadmin.services.listing import Filters
from ipadmin.ui import run_progress, run_texts, tickets
from ipadmin.ui.components import Linked
from ipadmin.ui.run_texts import Confirmed
from ipadmin.views.parts import CANNOT_READ, actor, problem, wants_part

ROWS_PER_PAGE = 100
STEPS: dict[str, Callable[[Run, Actor], None]] = {
    "pause": service.pause,
    "resume": service.resume,
    "stop": service.stop,
}
DECISIONS = {"approve": run_approval.approve, "reject": run_approval.reject}
# What prevents a draft.
CANNOT_DRAFT = (service.TooManyAddresses, service.NothingToDo, service.NoToken)


# Drafts


@require_POST
@operators_only
def run_add(request: SignedInRequest, token_id: uuid.UUID) -> HttpResponse:
    """Draft a run of the selected addresses, or of all that match the filters of the list."""
    token = access.own_ready_token(request.user, token_id)
    ids = " ".join(request.POST.getlist("address")).split()
    known = inventory.stored(token) if "all" in request.POST else None
    if known:
        filters = Filters.of(request.POST.dict())
        ids = listing.selectable(known, filters, changes.attempts_since(known, token))
    back = Linked("Addresses", reverse("addresses", args=[token.id]))
    return _drafted(request, lambda: service.draft(request.user, token, ids), token, back)


@require_POST
@operators_only
def run_retry(request: SignedInRequest, run_id: uuid.UUID) -> HttpResponse:
    run = _visible(request, run_id)
    back = Linked("Run", run.get_absolute_url())
    return _drafted(request, lambda: service.retry(request.user, run), run.token, back)


@require_POST
@operators_only
def run_undo(request: SignedInRequest, run_id: uuid.UUID) -> HttpResponse:
    run = _visible(request, run_id)
    back = Linked("Run", run.get_absolute_url())
    return _drafted(request, lambda: service.draft_undo(request.user, run), run.token, back)


def _drafted(
    request: SignedInRequest, make: Callable[[], Run], token: ApiToken | None, back: Linked
) -> HttpResponse:
    """To the confirmation of a new draft, or why there is none."""
    context: dict[str, object] = {"back": back}
    # Of another person's token, an error offers nothing.
    own = token if token and token.owner_id == request.user.pk else None
    try:
        return redirect(make())
    except service.RunChanged:
        messages.warning(request, run_texts.CHANGED)
        return redirect(back.url)
    except CANNOT_DRAFT as error:
        context["notice"] = run_texts.not_drafted(error)
    except CANNOT_READ as error:
        given = request.POST.lists()
        context["problem"] = problem(request, error, own, retry="")
        context["again"] = [
            (name, value)
            for name, values in given
            for value in values
            if name != "csrfmiddlewaretoken"
        ]
    return render(request, "ipadmin/run_add.html", context, status=422)


# One run


@require_safe
@history_readers_only
def run(request: SignedInRequest, run_id: uuid.UUID) -> HttpResponse:
    """A draft is confirmed here, a request approved, and any other run followed."""
    found = _visible(request, run_id)
    if found.state == RunState.DRAFT:
        return _confirmation(request, found)
    if found.state == RunState.WAITING:
        return _approval(request, found)
    return render(request, "ipadmin/run.html", _progress(request, found))


@require_safe
@history_readers_only
def run_rows(request: SignedInRequest, run_id: uuid.UUID) -> HttpResponse:
    """The part of a run's page that changes while it is carried out."""
    found = _visible(request, run_id)
    if not wants_part(request):
        return redirect(found)
    if found.state == RunState.WAITING:
        return HttpResponse(status=204)
    if "waiting" in request.GET:
        return HttpResponseClientRefresh()
    return render(request, "ipadmin/_run.html", _progress(request, found))


@require_POST
@operators_only
def run_start(request: SignedInRequest, run_id: uuid.UUID) -> HttpResponse:
    """Confirm a draft."""
    access.require_identity(request, within=settings.UNALLOCATE_REAUTHENTICATE_AFTER)
    found = get_object_or_404(Run, pk=run_id, user=request.user)
    if found.state != RunState.DRAFT:
        # A double click, or the back button.
        return redirect(found)
    form = _run_form(found, run_texts.confirmed(found), request.POST)
    if not form.is_valid():
        return _confirmation(request, found, form)
    try:
        service.start(
            found,
            actor(request),
            reason=form.cleaned_data["reason"],
            with_reverse_dns=form.cleaned_data.get("with_reverse_dns", False),
        )
    except (service.NothingToDo, service.DraftExpired):
        return _confirmation(request, found)
    except service.RunChanged:
        messages.warning(request, run_texts.CHANGED)
    return redirect(found)


@require_POST
@operators_only
def run_step(request: SignedInRequest, run_id: uuid.UUID, step: str) -> HttpResponse:
    """Pause, resume or stop."""
    found = _visible(request, run_id)
    is_own = found.user == request.user
    if not (is_own if step == "resume" else service.may_stop(request.user, found)):
        raise PermissionDenied
    try:
        STEPS[step](found, actor(request))
    except service.RunChanged:
        messages.warning(request, run_texts.CHANGED)
    return redirect(found)


@require_POST
@operators_only
@recent_identity_required
def run_decide(request: SignedInRequest, run_id: uuid.UUID, step: str) -> HttpResponse:
    """Approve or reject, by a second person."""
    found = _visible(request, run_id)
    if found.state != RunState.WAITING:
        messages.warning(request, run_texts.CHANGED)
        return redirect(found)
    form = DecisionForm(request.POST)
    if not form.is_valid():
        return _approval(request, found, form)
    try:
        DECISIONS[step](found, request.user, actor(request), form.cleaned_data["reason"])
    except run_approval.CannotDecide as error:
        raise PermissionDenied from error
    except service.RunChanged:
        messages.warning(request, run_texts.CHANGED)
    else:
        messages.success(request, run_texts.DECIDED[step])
    return redirect(found)


def _visible(request: SignedInRequest, run_id: uuid.UUID) -> Run:
    return get_object_or_404(service.visible_to(request.user), pk=run_id)


def _run_form(found: Run, confirmed: Confirmed, data: QueryDict | None = None) -> RunForm:
    restorable = (each.reverse_dns for each in confirmed.items if found.action == Action.ALLOCATE)
    names = sum(map(bool, restorable))
    return RunForm(data, number_to_type=len(confirmed.dangers), host_names=names)


def _confirmation(
    request: SignedInRequest, found: Run, form: RunForm | None = None
) -> HttpResponse:
    confirmed = run_texts.confirmed(found)
    max_age = timedelta(seconds=settings.CONFIRMATION_MAX_AGE)
    context: dict[str, object] = {
        "run": found,
        "confirmed": confirmed,
        "back": run_texts.back_to(found),
    }
    if not confirmed.items:
        context["notices"] = [run_texts.NOTHING_LEFT]
    elif found.token is None or timezone.now() - found.created_at > max_age:
        context |= {"notices": [run_texts.EXPIRED], "again_url": run_texts.again_url(found)}
    else:
        rule = run_approval.rule_for(found, confirmed.items)
        context |= {
            "is_draft": True,
            "rule": rule,
            "tone": run_texts.tone(found),
            "notices": [*run_texts.notices(found, rule)],
            "facts": [*run_texts.facts(found, confirmed.items, service.plan(found))],
            "form": form or _run_form(found, confirmed),
        }
    return render(request, "ipadmin/run_confirm.html", context, status=422 if form else 200)


def _approval(
    request: SignedInRequest, found: Run, form: DecisionForm | None = None
) -> HttpResponse:
    is_own = found.user == request.user
    may_decide = run_approval.may_decide(request.user, found)
    confirmed = run_texts.confirmed(found)
    context = {
        "run": found,
        "confirmed": confirmed,
        "approval": run_texts.approval(found, is_own=is_own, may_decide=may_decide),
        "tone": run_texts.tone(found),
        "reason": tickets.linked(found.reason),
        "reverse_dns": run_texts.reverse_dns(found, confirmed.items),
        "is_own": is_own,
        "form": (form or DecisionForm()) if may_decide else None,
    }
    return render(request, "ipadmin/run_approve.html", context, status=422 if form else 200)


def _progress(request: SignedInRequest, found: Run) -> dict[str, object]:
    """The state, progress and rows of a run."""
    rows = service.rows(found)
    progress = service.progress(found, rows)
    state = request.GET.get("state", "")
    shown = [row for row in rows if row.state == state] if state else rows
    page = Paginator(shown, ROWS_PER_PAGE).get_page(request.GET.get("page"))
    is_open = any(row.entry and row.entry.is_open for row in rows)
    return {
        "run": found,
        "title": run_texts.title(found, [row.item for row in rows if not row.item.skip_reason]),
        "shown": run_progress.shown(found, progress),
        "holder_title": run_texts.holder_title(found),
        "tabs": run_progress.tabs(rows, state),
        "page": page,
        "lines": [run_progress.line(row) for row in page],
        "steps": run_progress.steps(
            found,
            progress,
            is_own=found.user == request.user,
            may_stop=service.may_stop(request.user, found),
            may_repeat=access.abilities(request.user).may_unallocate,
        ),
        "details": run_progress.details(found),
        "is_followed": found.is_active or is_open,
        "ticket": run_progress.ticket(found, progress, rows, _url(request, found)),
    }


def _url(request: SignedInRequest, found: Run) -> str:
    return request.build_absolute_uri(found.get_absolute_url())
