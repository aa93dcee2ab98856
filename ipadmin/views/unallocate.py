"""Unallocate an address: confirmation (GET) and attempt (POST), as a page or in a dialog."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods
from django_htmx.http import HttpResponseClientRedirect, reswap, retarget

from ipadmin import access
from ipadmin.access import SignedInRequest, operators_only
from ipadmin.audit.search import pages
from ipadmin.forms import UnallocateForm
from ipadmin.models import ApiToken, AuditEntry, Run, RunItem
from ipadmin.services import attempt as service
from ipadmin.services import confirmation, run_approval, runs
from ipadmin.services.confirmation import Bound, Confirmation
from ipadmin.ui import address_texts, run_texts, token_texts
from ipadmin.views import parts
from ipadmin.views.parts import CANNOT_READ, problem, result, wants_part

EXPIRED = (
    "This confirmation has expired. Nothing was changed. Check the address again, then confirm."
)
NOT_CONFIRMED = "This confirmation is not valid. Nothing was changed. Here is a new one."


@require_http_methods(["GET", "HEAD", "POST"])
@operators_only
def unallocate(request: SignedInRequest, token_id: uuid.UUID, address_id: str) -> HttpResponse:
    token = access.own_ready_token(request.user, token_id)
    if request.method == "POST":
        access.require_identity(request, within=settings.UNALLOCATE_REAUTHENTICATE_AFTER)
        return _act(request, token, address_id)
    return _ask(request, token, address_id)


def _ask(
    request: SignedInRequest, token: ApiToken, address_id: str, notice: str = ""
) -> HttpResponse:
    """A new confirmation, with the address as read now and a new attempt ID."""
    status = 422 if notice else 200
    try:
        shown = confirmation.read(token, address_id)
    except CANNOT_READ as error:
        context = {"token": token, "notice": notice, "problem": problem(request, error, token)}
        return _page(request, context, status)
    bound = Bound(request.user, token, shown.ip.id)
    # A reason that was typed before the confirmation expired, or the session ended; see
    # LoginRequiredMiddleware.
    reason = request.POST.get("reason", "") or request.GET.get("reason", "")
    form = _form(shown, initial={"confirmation": shown.signed(bound), "reason": reason})
    return _page(request, _context(request, token, shown, form) | {"notice": notice}, status)


def _act(request: SignedInRequest, token: ApiToken, address_id: str) -> HttpResponse:
    signed = request.POST.get("confirmation", "")
    bound = Bound(request.user, token, address_id)
    try:
        if made := service.find_attempt(confirmation.attempt_id_of(signed, bound)):
            return _result(request, made)
        shown = confirmation.load(signed, bound)
    except confirmation.ConfirmationExpired:
        return _ask(request, token, address_id, EXPIRED)
    except confirmation.NotConfirmed:
        return _ask(request, token, address_id, NOT_CONFIRMED)
    form = _form(shown, request.POST)
    if not form.is_valid() or shown.in_organization is False:
        return _page(request, _context(request, token, shown, form), 422)
    return _carry_out(request, token, shown, form.cleaned_data["reason"])


def _carry_out(
    request: SignedInRequest, token: ApiToken, shown: Confirmation, reason: str
) -> HttpResponse:
    """Make the attempt, or ask for its approval."""
    circumstances = parts.circumstances(request, token, reason)
    try:
        if _rule(token, shown):
            return _to(request, runs.start_one(shown.change, circumstances))
        return _result(request, service.carry_out(shown.change, circumstances))
    except (service.AuditUnavailable, service.OutcomeNotWritten) as error:
        context = {"token": token, "problem": problem(request, error, token, retry="Start again")}
        return _page(request, context, 503)


def _rule(token: ApiToken, shown: Confirmation) -> str:
    """The rule because of which it needs an approval; empty for none."""
    item = RunItem(vip=shown.ip.vip, last_of_family=shown.is_last_of_family)
    return run_approval.rule_for(token, [item])


def _to(request: SignedInRequest, run: Run) -> HttpResponse:
    """To the page of a run, which waits for an approval."""
    url = run.get_absolute_url()
    return HttpResponseClientRedirect(url) if wants_part(request) else redirect(url)


def _form(
    shown: Confirmation, data: QueryDict | None = None, initial: dict[str, str] | None = None
) -> UnallocateForm:
    to_type = shown.ip.address if shown.must_type else ""
    return UnallocateForm(data, initial=initial, address_to_type=to_type)


def _context(
    request: SignedInRequest, token: ApiToken, shown: Confirmation, form: UnallocateForm
) -> dict[str, object]:
    attempts = pages.recent_attempts(access.visible_entries(request.user), shown.ip.id)
    rule = _rule(token, shown)
    approval = [run_texts.needs_approval(rule, token.organization_title)] if rule else []
    return {
        "token": token,
        "ip": shown.ip,
        "machine": shown.machine and address_texts.machine_facts(shown.machine),
        "question": address_texts.question(shown),
        "why_not": token_texts.read_only(token) or address_texts.why_not_confirmed(shown),
        "warnings": [*address_texts.warnings(shown, attempts), *approval],
        "rule": rule,
        "reverse_dns_after": address_texts.reverse_dns_after(shown.ip),
        "default_host": address_texts.default_host(shown.ip.address),
        "attempts": attempts,
        "form": form,
    }


def _page(request: SignedInRequest, context: dict[str, object], status: int) -> HttpResponse:
    context = {"question": address_texts.NOT_READ} | context
    if not wants_part(request):
        return render(request, "ipadmin/unallocate.html", context, status=status)
    response = render(request, "ipadmin/_unallocate.html", context, status=status)
    # The form's target is the row; only a result replaces that.
    return reswap(retarget(response, "#dialog"), "innerHTML")


def _result(request: SignedInRequest, entry: AuditEntry) -> HttpResponse:
    if not wants_part(request):
        return redirect(entry)
    return result(request, entry)
