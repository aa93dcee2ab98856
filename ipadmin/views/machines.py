"""The page of one virtual machine."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ipadmin import access
from ipadmin.access import SignedInRequest, operators_only
from ipadmin.audit.search import pages
from ipadmin.services import machines
from ipadmin.views.parts import CANNOT_READ, problem


@require_safe
@operators_only
def machine(request: SignedInRequest, token_id: uuid.UUID, machine_id: str) -> HttpResponse:
    """State, addresses and attempts of a machine: read now, or else from the last list."""
    token = access.own_ready_token(request.user, token_id)
    entries = access.visible_entries(request.user)
    context: dict[str, Any] = {
        "token": token,
        "machine_id": machine_id,
        "title": machine_id,
        "attempts": pages.recent_attempts_on_machine(entries, machine_id),
    }
    try:
        found = machines.read(token, machine_id)
    except CANNOT_READ as error:
        context["problem"] = problem(request, error, token)
    else:
        context |= {"found": found, "title": found.known.name if found.known else machine_id}
    return render(request, "ipadmin/machine.html", context)
