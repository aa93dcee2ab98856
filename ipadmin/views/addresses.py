"""The list of an organization's addresses, and the page of one address."""

from __future__ import annotations

import ipaddress
import uuid
from datetime import timedelta

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import NoReverseMatch, reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from ipadmin import access
from ipadmin.access import SignedInRequest, operators_only
from ipadmin.audit.search import pages
from ipadmin.models import ApiToken
from ipadmin.services import inventory, listing
from ipadmin.ui import address_texts, explanations
from ipadmin.views.parts import CANNOT_READ, wants_part


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
    """All addresses, read now. For tabs, searches and pages that htmx requests, the last reading is
    used for `inventory.SNAPSHOT_AGE`."""
    token = access.own_ready_token(request.user, token_id)
    part = wants_part(request)
    max_age = inventory.SNAPSHOT_AGE if part and "refresh" not in request.GET else timedelta(0)
    context: dict[str, object] = {"token": token}
    try:
        read = inventory.read(token, max_age=max_age)
    except CANNOT_READ as error:
        context["problem"] = explanations.of_error(error)
    else:
        shown = listing.listing(
            read,
            state=request.GET.get("state", ""),
            query=request.GET.get("q", ""),
            sort=request.GET.get("sort", ""),
            page=request.GET.get("page", 1),
        )
        context |= {"listing": shown, "columns": list(address_texts.columns(shown))}
        if not shown.rows:
            context["empty"] = address_texts.empty_list(shown, token.organization_title)
    if not part:
        context["tokens"] = request.user.api_tokens.ready()
    return render(request, "ipadmin/_listing.html" if part else "ipadmin/addresses.html", context)


@require_safe
@operators_only
def address_find(request: SignedInRequest, token_id: uuid.UUID) -> HttpResponse:
    """To the page of the address or ID in the field; any other text is searched for in the list."""
    token = access.own_ready_token(request.user, token_id)
    text = request.GET.get("q", "").strip()
    is_id = text.startswith("ip_") and text.isascii() and text.replace("_", "").isalnum()
    if is_id:
        return redirect("address", token.id, text)
    try:
        text = str(ipaddress.ip_interface(text).ip)
        found = inventory.find(token, address=text)
        return redirect("address", token.id, found.id)
    except CANNOT_READ as error:
        context = {"token": token, "sought": text, "problem": explanations.of_error(error)}
        return render(request, "ipadmin/address.html", context)
    except (ValueError, NoReverseMatch):
        # No address, or one whose ID does not have Katapult's format, so there is no page for it.
        query = f"?{urlencode({'q': text})}" if text else ""
        return redirect(reverse("addresses", args=[token.id]) + query)


@require_safe
@operators_only
def address(request: SignedInRequest, token_id: uuid.UUID, address_id: str) -> HttpResponse:
    """One address, read now, with its recent attempts."""
    token = access.own_ready_token(request.user, token_id)
    context: dict[str, object] = {"token": token, "sought": address_id}
    entries = access.visible_entries(request.user)
    context["attempts"] = pages.recent_attempts(entries, address_id)
    try:
        ip = inventory.find(token, id=address_id)
    except CANNOT_READ as error:
        context["problem"] = explanations.of_error(error)
    else:
        is_listed = _is_listed(token, ip.id)
        context |= {
            "ip": ip,
            "lead": address_texts.allocation_lead(ip),
            "notice": address_texts.membership(is_listed, token.organization_title),
            "why_not": listing.why_not(ip),
            "can_unallocate": is_listed is not False and not listing.why_not(ip),
        }
    return render(request, "ipadmin/address.html", context)


def _is_listed(token: ApiToken, address_id: str) -> bool | None:
    """Whether the organization's list has the address; None if the list can't be read."""
    try:
        read = inventory.read(token, max_age=inventory.SNAPSHOT_AGE)
    except CANNOT_READ:
        return None
    return any(ip.id == address_id for ip in read.addresses)
