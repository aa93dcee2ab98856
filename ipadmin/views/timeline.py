"""The timeline of one address: its attempts, who had it at a given time, and its state now."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from ipadmin import access
from ipadmin.access import SignedInRequest, history_readers_only
from ipadmin.audit.integrity import status
from ipadmin.audit.search import pages
from ipadmin.audit.search import timeline as service
from ipadmin.models import AuditEntry
from ipadmin.models.search_keys import address_key, address_of
from ipadmin.services import live_state
from ipadmin.ui import explanations, timeline_texts
from ipadmin.ui.time_zones import MomentField, ZonedForm
from ipadmin.views.parts import CANNOT_READ, wants_part


class MomentForm(ZonedForm):
    at = MomentField(label="Date and time")


@require_safe
@history_readers_only
def address_timeline(request: SignedInRequest, address: str) -> HttpResponse:
    """The timeline page. The page loads the state now separately, so that it never waits for
    Katapult."""
    key, canonical = _known(address)
    if address != canonical:
        query = request.GET.urlencode()
        return redirect(
            reverse("address_timeline", args=[canonical]) + (f"?{query}" if query else "")
        )
    return render(request, "ipadmin/timeline.html", _context(request, key))


@require_safe
@history_readers_only
def address_timeline_now(request: SignedInRequest, address: str) -> HttpResponse:
    """The timeline page with the state of the address now; for htmx, the state alone."""
    key, _ = _known(address)
    if not wants_part(request):
        return render(request, "ipadmin/timeline.html", _context(request, key, look=True))
    context = _state(request, key, _entries(request, key), look=True)
    return render(request, "ipadmin/_timeline_state.html", context)


def _known(address: str) -> tuple[str, str]:
    """The search key and the canonical form of an address. Raises Http404 for other text."""
    key = address_key(address)
    if not key:
        raise Http404
    return key, address_of(key)


def _entries(request: SignedInRequest, key: str) -> QuerySet[AuditEntry]:
    return access.visible_entries(request.user).filter(address_key=key)


def _context(request: SignedInRequest, key: str, *, look: bool = False) -> dict[str, Any]:
    entries = _entries(request, key)
    before, after = (pages.parse_cursor(request.GET.get(name, "")) for name in ("before", "after"))
    page = service.timeline(entries, before=before, after=after)
    form = MomentForm(request.GET if "at" in request.GET else None)
    context = _state(request, key, entries, look=look) | {
        "attempts": timeline_texts.attempts(page.attempts),
        "is_whole": not (page.older_than or page.newer_than),
        "is_mixed": page.is_mixed,
        "older_than": page.older_than and pages.cursor_text(page.older_than),
        "newer_than": page.newer_than and pages.cursor_text(page.newer_than),
        "form": form,
        "pruned_before": status.pruned_before(),
        "sees_own_only": access.own_organizations(request.user) is not None,
    }
    if form.is_bound and form.is_valid():
        at = form.cleaned_data["at"].replace(microsecond=0)
        context |= {"at": at, "is_future": at > timezone.now()}
        context["answers"] = [
            (api_url, timeline_texts.answer(each))
            for api_url, each in service.who_had_it(entries, at)
        ]
    return context


def _state(
    request: SignedInRequest, key: str, entries: QuerySet[AuditEntry], *, look: bool
) -> dict[str, Any]:
    """The state of the address: read now if `look` is set, else as it was last seen."""
    newest = service.newest(entries)
    latest = newest[0] if newest else None
    may_look = access.abilities(request.user).may_unallocate
    token = live_state.token_for(request.user, latest) if may_look else None
    context: dict[str, Any] = {
        "address": address_of(key),
        "latest": latest,
        "token": token,
        "who_can_check": timeline_texts.who_can_check(token, latest),
    }
    problem = None
    if look and token and latest:
        try:
            found = live_state.look_up(newest, token)
            return context | {"state": timeline_texts.live_state(found, latest)}
        except CANNOT_READ as error:
            problem = explanations.of_error(error)
    context["state"] = timeline_texts.last_state(service.last_known(newest), problem)
    return context | {"problem": problem, "loads_itself": token and latest and not problem}
