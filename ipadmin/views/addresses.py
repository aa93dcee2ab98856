"""The list of an organization's addresses."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from urllib.parse import urlsplit

from django.http import HttpResponse, QueryDict, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_safe
from django_htmx.http import push_url, replace_url

from ipadmin import access
from ipadmin.access import SignedInRequest, operators_only
from ipadmin.models import ApiToken
from ipadmin.services import changes, inventory, listing
from ipadmin.services.listing import Filters
from ipadmin.services.snapshots import Inventory
from ipadmin.ui import address_texts
from ipadmin.views.parts import CANNOT_READ, problem, wants_part

# Between the parts of a streamed list; see static/ipadmin/reading.js.
SEPARATOR = "<!-- part -->"


@require_safe
@operators_only
def addresses_home(request: SignedInRequest) -> HttpResponse:
    """To the addresses of the token used last, or to a page that says how to add a token."""
    token = request.user.api_tokens.ready().order_by("-used_at", "-created_at").first()
    if token is None:
        return render(request, "ipadmin/no_token.html")
    return redirect("addresses", token.id)


@require_safe
@operators_only
def addresses(request: SignedInRequest, token_id: uuid.UUID) -> HttpResponse:
    """The list as it was read last, at once. `?wait=1`, for browsers without JavaScript, reads it
    first; with JavaScript the page requests `addresses_read`."""
    token = access.own_ready_token(request.user, token_id)
    if not all(request.GET.values()) and not wants_part(request):
        # The form of a browser without JavaScript sends its empty fields too.
        return redirect(_url(request, wait="wait" in request.GET))
    context: dict[str, object] = {"token": token, "filters": Filters.of(request.GET.dict())}
    shown = inventory.stored(token)
    if "wait" in request.GET:
        try:
            shown = inventory.read(token)
        except CANNOT_READ as error:
            context["problem"] = problem(request, error, token)
    context |= _list_context(request, token, shown)
    if not wants_part(request):
        context["tokens"] = request.user.api_tokens.ready()
        context["read_now"] = "wait" not in request.GET and not (
            shown and inventory.is_fresh(shown)
        )
        return render(request, "ipadmin/addresses.html", context)
    response = render(request, "ipadmin/_listing.html", context)
    if request.htmx.trigger == "tabs":
        return response
    # Typing replaces the entry in the browser's history instead of adding one for each pause.
    before = QueryDict(urlsplit(request.htmx.current_url or "").query).get("q", "")
    is_typing = before != request.GET.get("q", "").strip()
    return (replace_url if is_typing else push_url)(response, _url(request))


def _url(request: SignedInRequest, *, wait: bool = False) -> str:
    """The URL of the list that a request asks for, without empty parameters."""
    query = Filters.of(request.GET.dict()).parameters() | ({"wait": "1"} if wait else {})
    page = request.GET.get("page", "")
    query |= {"page": page} if page.isdigit() and page != "1" else {}
    return f"{request.path}?{urlencode(query)}" if query else request.path


@require_safe
@operators_only
def addresses_read(request: SignedInRequest, token_id: uuid.UUID) -> HttpResponseBase:
    """Read the list, and stream it while it is read: each part replaces the one before it. Where
    the page shows an earlier reading, only progress is sent until the new one is complete."""
    token = access.own_ready_token(request.user, token_id)

    # Of the reader: the middleware has reset it when the parts are made.
    zone = timezone.get_current_timezone()

    def parts() -> Iterator[str]:
        try:
            for step in inventory.read_steps(token):
                with timezone.override(zone):
                    part = _step(request, token, step)
                yield part + SEPARATOR
        except CANNOT_READ as error:
            with timezone.override(zone):
                context = _list_context(request, token, inventory.stored(token))
                context |= {"problem": problem(request, error, token, page="addresses")}
                part = render_to_string("ipadmin/_listing.html", context, request)
            yield part + SEPARATOR

    # Not compressed: that would hold parts back.
    return StreamingHttpResponse(parts(), headers={"Content-Encoding": "identity"})


def _step(request: SignedInRequest, token: ApiToken, step: inventory.Step) -> str:
    """The list as it was read so far, or only its progress."""
    template = "ipadmin/_listing.html"
    if step.is_known:
        template = "ipadmin/_list_status.html"
        context: dict[str, object] = {"status": address_texts.list_status(step.inventory)}
    else:
        context = _list_context(request, token, step.inventory)
    return render_to_string(template, context | {"is_reading": not step.is_last}, request)


def _list_context(
    request: SignedInRequest, token: ApiToken, shown: Inventory | None
) -> dict[str, object]:
    if shown is None:
        return {"token": token}
    found = listing.listing(
        shown,
        Filters.of(request.GET.dict()),
        attempts=changes.attempts_since(shown, token),
        page=request.GET.get("page", 1),
    )
    context: dict[str, object] = {
        "token": token,
        "listing": found,
        "columns": list(address_texts.columns(found)),
        "status": address_texts.list_status(shown),
        "types": address_texts.types(shown),
        "all_of_them": address_texts.all_of_them(found),
        "hint": address_texts.names_hint(shown, token),
    }
    if not found.rows:
        context["empty"] = address_texts.empty_list(found, token)
    return context
