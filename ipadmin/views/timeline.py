"""The timeline of one address: its attempts, who had it at a given time, and its state now."""

from __future__ import annotations

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
from ipadmin.ui import timeline_texts
from ipadmin.ui.time_zones import MomentField, ZonedForm
from ipadmin.views import parts
from ipadmin.views.parts import CANNOT_READ, wants_part


class MomentForm(ZonedForm):
    at = MomentField(label="Date and time")


@require_safe
@history_readers_only
def address_timeline(request: SignedInRequest, address: str, *, look: bool = False) -> HttpResponse:
    """The timeline page. With `look` the address is read now: the page requests that part
    separately, so that it never waits for Katapult."""
    key = address_key(address)
    if not key:
        raise Http404
    if address != address_of(key):
        query = request.GET.urlencode()
        url = reverse("address_timeline", args=[address_of(key)])
        return redirect(f"{url}?{query}" if query else url)
    entries = access.visible_entries(request.user).filter(address_key=key)
    context = {"address": address} | _state(request, entries, look=look)
    if look and wants_part(request):
        return render(request, "ipadmin/_timeline_state.html", context)
    return render(request, "ipadmin/timeline.html", context | _attempts(request, entries))


def _attempts(request: SignedInRequest, entries: QuerySet[AuditEntry]) -> dict[str, object]:
    before, after = (pages.parse_cursor(request.GET.get(name, "")) for name in ("before", "after"))
    page = service.timeline(entries, before=before, after=after)
    form = MomentForm(request.GET if "at" in request.GET else None)
    context = {
        "attempts": timeline_texts.attempts(page.attempts),
        "is_whole": not (page.older_than or page.newer_than),
        "is_mixed": page.is_mixed,
        "older_than": page.older_than and pages.cursor_text(page.older_than),
        "newer_than": page.newer_than and pages.cursor_text(page.newer_than),
        "form": form,
        "pruned_before": status.pruned_before(),
        "sees_own_only": access.own_organizations(request.user) is not None,
    }
    if form.is_valid():
        at = form.cleaned_data["at"].replace(microsecond=0)
        answers = service.who_had_it(entries, at)
        context |= {"at": at, "is_future": at > timezone.now()}
        context["answers"] = [(api_url, timeline_texts.answer(each)) for api_url, each in answers]
    return context


def _state(
    request: SignedInRequest, entries: QuerySet[AuditEntry], *, look: bool
) -> dict[str, object]:
    """The state of the address: read now if `look` is set, else as it was last seen."""
    newest = service.newest(entries)
    latest = newest[0] if newest else None
    may_look = access.abilities(request.user).may_unallocate
    token = live_state.token_for(request.user, latest) if may_look else None
    context: dict[str, object] = {"latest": latest, "token": token}
    context["who_can_check"] = timeline_texts.who_can_check(token, latest)
    problem = None
    if look and token and latest:
        try:
            found = live_state.look_up(newest, token)
            return context | {"state": timeline_texts.live_state(found, latest)}
        except CANNOT_READ as error:
            problem = parts.problem(request, error, token, page="address_timeline_now")
    context["state"] = timeline_texts.last_state(service.last_known(newest), problem)
    return context | {"problem": problem, "loads_itself": token and latest and not problem}
