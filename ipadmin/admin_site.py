from __future__ import annotations

from typing import Any

from allauth.account.views import logout
from django.contrib.admin import AdminSite
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, resolve_url

from ipadmin import access
from ipadmin.context_processors import environment


class PeopleAdminSite(AdminSite):
    """Django's admin for the people who may manage people.

    Signing in and out and changing one's password happen on allauth's pages only: a second form
    would have none of their limits. Who may enter follows from the role; the staff flag, which
    could disagree with it, counts for nothing.
    """

    site_header = site_title = "IP admin"
    index_title = "People"
    site_url = "/"

    def has_permission(self, request: HttpRequest) -> bool:
        return request.user.is_active and access.abilities(request.user).may_manage_people

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        return {**super().each_context(request), "environment": environment()}

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if request.user.is_authenticated and not self.has_permission(request):
            raise PermissionDenied
        page = request.GET.get("next") or request.path
        if request.user.is_authenticated:
            return redirect("admin:index")
        return redirect_to_login(page, resolve_url("account_login"))

    def logout(  # type: ignore[override]
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        return logout(request)

    def password_change(  # type: ignore[override]
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return redirect("account_change_password")
