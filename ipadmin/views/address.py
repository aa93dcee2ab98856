"""The page of one address, with three tabs: its state now, its timeline, and the attempts on it."""

from __future__ import annotations

import uuid

from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from ipadmin import access
from ipadmin.access import SignedInRequest, history_readers_only, operators_only
from ipadmin.audit.integrity import status
from ipadmin.audit.search import pages
from ipadmin.audit.search import timeline as service
from ipadmin.models import ApiToken, AuditEntry
from ipadmin.models.search_keys import address_key, address_of
from ipadmin.services import listing, live_state, undo
from ipadmin.ui import address_texts, timeline_texts
from ipadmin.ui.time_zones import MomentField, ZonedForm
from ipadmin.views import parts
from ipadmin.views.parts import CANNOT_READ, wants_part

TABS = {"now": "Now", "timeline": "Timeline", "attempts": "Attempts"}


class MomentForm(ZonedForm):
    at = MomentField(label="Date and time")


@require_safe
@operators_only
def address_by_id(request: SignedInRequest, token_id: uuid.UUID, address_id: str) -> HttpResponse:
    """To the page of an address, given its ID. Explains one that cannot be read."""
    token = access.own_ready_token(request.user, token_id)
    try:
        text = live_state.address_called(token, address_id)
    except CANNOT_READ as error:
        context = {
            "token": token,
            "title": address_id,
            "problem": parts.problem(request, error, token),
        }
        return render(request, "ipadmin/address.html", context)
    if not address_key(text):
        raise Http404
    url = reverse("address_now", args=[address_of(address_key(text))])
    return redirect(f"{url}?{urlencode({'token': str(token.id)})}")


@require_safe
@history_readers_only
def address(request: SignedInRequest, address: str, tab: str) -> HttpResponse:
    """One tab. `?token=` names the token that reads the address; without it, the one used last for
    its organization does. Without any, the page shows what the history knows."""
    key = address_key(address)
    if not key:
        raise Http404
    query = f"?{request.GET.urlencode()}" if request.GET else ""
    if address != address_of(key):
        return redirect(reverse(f"address_{tab}", args=[address_of(key)]) + query)
    entries = access.visible_entries(request.user).filter(address_key=key)
    newest = service.newest(entries)
    token = _token(request, address, newest)
    by_token = f"?{urlencode({'token': str(token.id)})}" if token and "token" in request.GET else ""
    context: dict[str, object] = {
        "title": address,
        "address": address,
        "tab": tab,
        "tab_template": f"ipadmin/_address_{tab}.html",
        "tabs": [
            (name, title, reverse(f"address_{name}", args=[address]) + by_token)
            for name, title in TABS.items()
        ],
        "token": token,
        "latest": newest[0] if newest else None,
        "sees_own_only": access.own_organizations(request.user) is not None,
    }
    context |= (
        _now(request, token, address, newest) if tab == "now" else _attempts(request, entries)
    )
    template = "_address.html" if wants_part(request) else "address.html"
    return render(request, f"ipadmin/{template}", context)


def _token(request: SignedInRequest, address: str, newest: list[AuditEntry]) -> ApiToken | None:
    if not access.abilities(request.user).may_unallocate:
        return None
    if named := request.GET.get("token"):
        try:
            return access.own_ready_token(request.user, uuid.UUID(named))
        except ValueError as error:
            raise Http404 from error
    return live_state.token_for(request.user, newest[0] if newest else None, address)


def _now(
    request: SignedInRequest, token: ApiToken | None, address: str, newest: list[AuditEntry]
) -> dict[str, object]:
    """The address as it is read now; where that is not possible, as it was last seen."""
    problem = None
    if token:
        try:
            found = live_state.look_up(token, address, newest)
        except CANNOT_READ as error:
            problem = parts.problem(request, error, token)
        else:
            why_not = listing.why_not(found.ip)
            return {
                "ip": found.ip,
                "read_at": found.read_at,
                "lead": address_texts.allocation_lead(found.ip),
                "notice": address_texts.membership(found.is_listed, token.organization_title),
                "why_not": why_not,
                "can_unallocate": not (token.is_read_only or found.is_listed is False or why_not),
                "changes": [timeline_texts.change(each) for each in found.changes],
            }
    return {
        "problem": problem,
        "state": timeline_texts.last_state(service.last_known(newest)),
        "who_can_check": timeline_texts.who_can_check(token, newest[0] if newest else None),
    }


def _attempts(request: SignedInRequest, entries: QuerySet[AuditEntry]) -> dict[str, object]:
    """A page of attempts, and who had the address at the time that was asked for."""
    before, after = (pages.parse_cursor(request.GET.get(name, "")) for name in ("before", "after"))
    page = service.timeline(entries, before=before, after=after)
    form = MomentForm(request.GET if "at" in request.GET else None)
    context: dict[str, object] = {
        "attempts": timeline_texts.attempts(page.attempts),
        "undoable": undo.undoable(each.entry for each in page.attempts)
        if access.abilities(request.user).may_unallocate
        else (),
        "is_whole": not (page.older_than or page.newer_than),
        "is_mixed": page.is_mixed,
        "older_than": page.older_than and pages.cursor_text(page.older_than),
        "newer_than": page.newer_than and pages.cursor_text(page.newer_than),
        "form": form,
        "pruned_before": status.pruned_before,
    }
    if form.is_valid():
        at = form.cleaned_data["at"].replace(microsecond=0)
        answers = service.who_had_it(entries, at)
        context |= {"at": at, "is_future": at > timezone.now()}
        context["answers"] = [(api_url, timeline_texts.answer(each)) for api_url, each in answers]
    return context
