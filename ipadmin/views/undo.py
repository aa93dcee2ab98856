"""Put an address back on the machine that it was taken from: confirmation (GET) and attempt
(POST)."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from ipadmin import access
from ipadmin.access import SignedInRequest, operators_only
from ipadmin.forms import UndoForm
from ipadmin.models import ApiToken, AuditEntry, RunItem
from ipadmin.services import attempt, confirmation, live_state, run_approval, runs
from ipadmin.services import undo as service
from ipadmin.services.confirmation import Bound
from ipadmin.services.undo import Restoration
from ipadmin.ui import run_texts, undo_texts
from ipadmin.views import parts
from ipadmin.views.parts import CANNOT_READ
from ipadmin.views.unallocate import EXPIRED, NOT_CONFIRMED


@require_http_methods(["GET", "HEAD", "POST"])
@operators_only
def undo(request: SignedInRequest, attempt_id: uuid.UUID) -> HttpResponse:
    entry = access.visible_entry(request.user, attempt_id)
    token = _token(request, entry)
    if token is None or service.why_not(entry):
        why_not = undo_texts.why_not(service.why_not(entry), entry)
        return _page(request, entry, {"token": token, "why_not": why_not}, 200)
    if request.method == "POST":
        access.require_identity(request, within=settings.UNALLOCATE_REAUTHENTICATE_AFTER)
        return _act(request, entry, token)
    return _ask(request, entry, token)


def _token(request: SignedInRequest, entry: AuditEntry) -> ApiToken | None:
    """The user's token for the organization of the entry, or the one that `?token=` names."""
    named = request.GET.get("token") or request.POST.get("token")
    try:
        own = access.own_ready_token(request.user, uuid.UUID(named)) if named else None
    except ValueError as error:
        raise Http404 from error
    return own or live_state.token_for(request.user, entry)


def _ask(
    request: SignedInRequest, entry: AuditEntry, token: ApiToken, notice: str = ""
) -> HttpResponse:
    """A new confirmation, with the address and the machine as read now, and new attempt ids."""
    status = 422 if notice else 200
    try:
        shown = service.read(token, entry)
    except CANNOT_READ as error:
        context = {"token": token, "problem": parts.problem(request, error, token)}
        return _page(request, entry, context | {"notice": notice}, status)
    initial = {
        "confirmation": shown.signed(Bound(request.user, token, entry.address_id)),
        "reason": request.POST.get("reason", "") or request.GET.get("reason", ""),
        "set_reverse_dns": True,
    }
    form = UndoForm(initial=initial, reverse_dns=shown.reverse_dns)
    return _page(request, entry, _context(token, shown, form) | {"notice": notice}, status)


def _act(request: SignedInRequest, entry: AuditEntry, token: ApiToken) -> HttpResponse:
    signed = request.POST.get("confirmation", "")
    bound = Bound(request.user, token, entry.address_id)
    try:
        shown = service.load(signed, bound, entry)
    except confirmation.ConfirmationExpired:
        if made := attempt.find_attempt(service.attempt_id_of(signed, bound)):
            return redirect(made)
        return _ask(request, entry, token, EXPIRED)
    except confirmation.NotConfirmed:
        return _ask(request, entry, token, NOT_CONFIRMED)
    form = UndoForm(request.POST, reverse_dns=shown.reverse_dns)
    if not form.is_valid():
        return _page(request, entry, _context(token, shown, form), 422)
    return _carry_out(request, token, shown, form)


def _carry_out(
    request: SignedInRequest, token: ApiToken, shown: Restoration, form: UndoForm
) -> HttpResponse:
    """Make the attempts, or ask for their approval."""
    circumstances = parts.circumstances(request, token, form.cleaned_data["reason"])
    with_reverse_dns = form.cleaned_data.get("set_reverse_dns", False)
    if _rule(token, shown):
        host = shown.reverse_dns if with_reverse_dns else ""
        return redirect(runs.start_one(service.changes(shown)[0], circumstances, reverse_dns=host))
    try:
        made = service.undo(shown, circumstances, with_reverse_dns=with_reverse_dns)
    except (attempt.AuditUnavailable, attempt.OutcomeNotWritten) as error:
        problem = parts.problem(request, error, token, retry="Start again")
        return _page(request, shown.entry, {"token": token, "problem": problem}, 503)
    return redirect(made)


def _rule(token: ApiToken, shown: Restoration) -> str:
    """The rule because of which it needs an approval; empty for none."""
    return run_approval.rule_for(token, [RunItem(vip=shown.ip.vip, last_of_family=False)])


def _context(token: ApiToken, shown: Restoration, form: UndoForm) -> dict[str, object]:
    rule = _rule(token, shown)
    return {
        "token": token,
        "approval": run_texts.needs_approval(rule, token.organization_title) if rule else None,
        "form": form,
        "changes": undo_texts.changes(shown),
        "machine": undo_texts.machine(shown),
        "why_not": (token.is_read_only and undo_texts.READ_ONLY) or undo_texts.obstacle(shown),
    }


def _page(
    request: SignedInRequest, entry: AuditEntry, context: dict[str, object], status: int
) -> HttpResponse:
    return render(request, "ipadmin/undo.html", {"entry": entry} | context, status=status)
