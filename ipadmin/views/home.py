"""The start page: redirects each user to the first page that their role may see."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from ipadmin import access
from ipadmin.access import SignedInRequest


@require_safe
def home(request: SignedInRequest) -> HttpResponse:
    abilities = access.abilities(request.user)
    if abilities.may_unallocate:
        return redirect("addresses_home")
    if abilities.may_view_history:
        return redirect("audit")
    if abilities.may_manage_people:
        return redirect("admin:index")
    return render(request, "ipadmin/no_role.html")
