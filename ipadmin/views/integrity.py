"""Whether the history can be trusted: its seal, who verified it, what was done to it."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ipadmin.access import SignedInRequest, auditors_only


@require_safe
@auditors_only
def integrity(request: SignedInRequest) -> HttpResponse:
    return render(request, "ipadmin/integrity.html")
