from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from allauth.account.views import logout
from django.conf import settings
from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, resolve_url
from django.utils.decorators import method_decorator

from ipadmin import access
from ipadmin.context_processors import environment

PEOPLE = {"ipadmin.User", "auth.Group"}


class PeopleAdminSite(AdminSite):
    """Django's admin for the people who may manage people.

    Signing in and out and changing one's password happen on allauth's pages only: a second form
    would have none of their limits. Who may enter follows from the role; the staff flag, which
    could disagree with it, counts for nothing.
    """

    site_header = site_title = "IP admin"
    index_title = "People"
    site_url = "/"

    def register(
        self,
        model_or_iterable: type[Model] | Iterable[type[Model]],
        admin_class: type[ModelAdmin[Any]] | None = None,
        **options: Any,
    ) -> None:
        """People and their roles: what other apps would show here is none of their business."""
        models = (
            model_or_iterable if isinstance(model_or_iterable, Iterable) else [model_or_iterable]
        )
        people = [model for model in models if model._meta.label in PEOPLE]  # noqa: SLF001
        super().register(people, admin_class, **options)

    def get_urls(self) -> list[Any]:
        """Without Django's way from any object's number to its page: it tells what there is."""
        return [url for url in super().get_urls() if getattr(url, "name", "") != "view_on_site"]

    def has_permission(self, request: HttpRequest) -> bool:
        return request.user.is_active and access.abilities(request.user).may_manage_people

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        return {**super().each_context(request), "environment": environment()}

    @method_decorator(login_not_required)
    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not request.user.is_authenticated:
            page = request.GET.get("next") or resolve_url("admin:index")
            return redirect_to_login(page, resolve_url(settings.LOGIN_URL))
        if not self.has_permission(request):
            raise PermissionDenied
        return redirect("admin:index")

    def logout(  # type: ignore[override]
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        return logout(request)

    def password_change(  # type: ignore[override]
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return redirect("account_change_password")
