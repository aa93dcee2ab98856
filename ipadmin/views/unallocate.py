"""Unallocate an address: confirmation (GET) and attempt (POST), as a page or in a dialog."""

from __future__ import annotations

import uuid
from typing import Any

from allauth.account.adapter import get_adapter
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods
from django_htmx.http import reswap, retarget

from ipadmin import access, crypto
from ipadmin.access import SignedInRequest, operators_only
from ipadmin.audit.search import pages
from ipadmin.forms import UnallocateForm
from ipadmin.katapult.errors import KatapultError
from ipadmin.models import ApiToken, AuditEntry
from ipadmin.services import confirmation, inventory, listing
from ipadmin.services import unallocate as service
from ipadmin.services.confirmation import Bound, Confirmation
from ipadmin.services.later_reads import Source
from ipadmin.ui import address_texts, explanations
from ipadmin.views.parts import result, wants_part

EXPIRED = (
    "This confirmation has expired. Nothing was changed. Check the address again, then confirm."
)
NOT_CONFIRMED = "This confirmation is not valid. Nothing was changed. Here is a new one."
NOT_ALLOCATED = "The address is not allocated, so there is nothing to unallocate."
NOT_LISTED = (
    "This organization's list does not include the address. Use a token of its organization."
)


@require_http_methods(["GET", "HEAD", "POST"])
@operators_only
def unallocate(request: SignedInRequest, token_id: uuid.UUID, address_id: str) -> HttpResponse:
    token = access.own_ready_token(request.user, token_id)
    if request.method == "POST":
        return _act(request, token, address_id)
    return _ask(request, token, address_id)


def _ask(
    request: SignedInRequest,
    token: ApiToken,
    address_id: str,
    *,
    notice: str = "",
    status: int = 200,
) -> HttpResponse:
    """A new confirmation, with the address as read now and a new attempt ID."""
    context: dict[str, Any] = {"token": token, "notice": notice, "address_id": address_id}
    try:
        read_since = timezone.now()
        ip = inventory.find(token, id=address_id, can_wait=False, source=Source.CONFIRMATION)
        shown = confirmation.prepare(token, ip, read_since)
    except (KatapultError, crypto.CannotDecrypt) as error:
        context["problem"] = explanations.of_error(error)
        return _page(request, context, status=status)
    return _page(request, context | _confirmation_context(request, token, shown), status=status)


def _act(request: SignedInRequest, token: ApiToken, address_id: str) -> HttpResponse:
    signed = request.POST.get("confirmation", "")
    bound = Bound(request.user, token, address_id)
    try:
        if made := service.find_attempt(confirmation.attempt_id_of(signed, bound)):
            return _result(request, made)
        shown = confirmation.load(signed, bound)
    except confirmation.ConfirmationExpired:
        return _ask(request, token, address_id, notice=EXPIRED, status=422)
    except confirmation.NotConfirmed:
        return _ask(request, token, address_id, notice=NOT_CONFIRMED, status=422)
    form = UnallocateForm(request.POST, address_to_type=_address_to_type(shown))
    if not form.is_valid() or shown.in_organization is False:
        context = {"token": token, "address_id": address_id}
        context |= _confirmation_context(request, token, shown, form)
        return _page(request, context, status=422)
    try:
        entry = service.unallocate(
            shown,
            service.Circumstances(
                user=request.user,
                token=token,
                reason=form.cleaned_data["reason"],
                source_ip=get_adapter(request).get_client_ip(request),
                request_id=request.request_id,
            ),
        )
    except (service.AuditUnavailable, service.OutcomeNotWritten) as error:
        context = {"token": token, "problem": explanations.of_error(error)}
        return _page(request, context | {"address_id": address_id}, status=503)
    return _result(request, entry)


def _confirmation_context(
    request: SignedInRequest,
    token: ApiToken,
    shown: Confirmation,
    form: UnallocateForm | None = None,
) -> dict[str, Any]:
    bound = Bound(request.user, token, shown.ip.id)
    signed = {"confirmation": shown.signed(bound)}
    attempts = pages.recent_attempts(access.visible_entries(request.user), shown.ip.id)
    return {
        "ip": shown.ip,
        "why_not": _why_not(shown),
        "warnings": address_texts.warnings(shown, attempts),
        "reverse_dns_after": address_texts.reverse_dns_after(shown.ip),
        "default_host": address_texts.default_host(shown.ip.address),
        "attempts": attempts,
        "form": form or UnallocateForm(initial=signed, address_to_type=_address_to_type(shown)),
    }


def _why_not(shown: Confirmation) -> str:
    if shown.in_organization is False:
        return NOT_LISTED
    if shown.ip.allocation is None:
        return NOT_ALLOCATED
    return listing.why_not(shown.ip)


def _address_to_type(shown: Confirmation) -> str:
    return shown.ip.address if shown.must_type else ""


def _page(request: SignedInRequest, context: dict[str, Any], *, status: int) -> HttpResponse:
    if not wants_part(request):
        return render(request, "ipadmin/unallocate.html", context, status=status)
    response = render(request, "ipadmin/_unallocate.html", context, status=status)
    # The form's target is the row; only a result replaces that.
    return reswap(retarget(response, "#dialog"), "innerHTML")


def _result(request: SignedInRequest, entry: AuditEntry) -> HttpResponse:
    if not wants_part(request):
        return redirect(entry)
    return result(request, entry)
