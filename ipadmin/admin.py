"""Django's admin, for people and their groups only: not for tokens and audit entries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from allauth.account.views import logout
from django import forms
from django.conf import settings
from django.contrib.admin import AdminSite
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import Group
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db.models import ManyToManyField, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, resolve_url
from django.urls import URLPattern, URLResolver
from django.utils.decorators import method_decorator

from ipadmin import access
from ipadmin.context_processors import environment
from ipadmin.models import User


class PeopleAdminSite(AdminSite):
    """Access depends on the permission, not on the staff flag. Sign-in, sign-out and password
    change are on allauth's pages only, which have rate limits."""

    site_header = site_title = "IP admin"
    index_title = "People"
    site_url = "/"

    def get_urls(self) -> list[URLResolver | URLPattern]:
        """Without `view_on_site`, which reveals for any model which ids exist."""
        return [url for url in super().get_urls() if getattr(url, "name", "") != "view_on_site"]

    def has_permission(self, request: HttpRequest) -> bool:
        return request.user.is_active and access.abilities(request.user).may_manage_people

    def each_context(self, request: HttpRequest) -> dict[str, object]:
        return {**super().each_context(request), "environment": environment()}

    @method_decorator(login_not_required)
    def login(
        self, request: HttpRequest, extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        if not request.user.is_authenticated:
            page = request.GET.get("next") or resolve_url("admin:index")
            return redirect_to_login(page, resolve_url(settings.LOGIN_URL))
        if not self.has_permission(request):
            raise PermissionDenied
        return redirect("admin:index")

    def logout(  # type: ignore[override]
        self, request: HttpRequest, extra_context: object = None
    ) -> HttpResponseBase:
        return logout(request)

    def password_change(  # type: ignore[override]
        self, request: HttpRequest, extra_context: object = None
    ) -> HttpResponse:
        return redirect("account_change_password")


class PeopleAdmin(UserAdmin[User]):
    """Permissions come from groups only. Superusers are made with `manage.py createsuperuser`, and
    only superusers can change them, so that nobody can extend their own permissions."""

    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("Access", {"fields": ("is_active", "groups")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (None, {"fields": ("username", "usable_password", "password1", "password2")}),
        ("Access", {"fields": ("groups",)}),
    )
    readonly_fields = ("last_login", "date_joined")
    list_display = ("username", "first_name", "last_name", "is_active", "last_login")
    list_filter = ("is_active", "groups")
    filter_horizontal = ()
    formfield_overrides: ClassVar = {ManyToManyField: {"widget": forms.CheckboxSelectMultiple}}
    actions = None

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_change_permission(request, obj) and _may_change(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """People who managed others can't be deleted, only deactivated: Django would delete its log
        of what they did as well."""
        if obj and LogEntry.objects.filter(user=obj).exists():
            return False
        return super().has_delete_permission(request, obj) and _may_change(request, obj)

    def save_related(
        self, request: HttpRequest, form: ModelForm[User], formsets: object, change: object
    ) -> None:
        """Set the staff flag, which Django's admin requires, according to the groups."""
        super().save_related(request, form, formsets, change)
        person = User.objects.get(pk=form.instance.pk)
        person.is_staff = person.is_superuser or person.has_perm(access.MANAGE_PEOPLE)
        person.save(update_fields=["is_staff"])

    def get_deleted_objects(
        self, objs: Sequence[User] | QuerySet[User], request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Without the labels of their tokens, which are private."""
        _all, counts, needed, protected = super().get_deleted_objects(objs, request)
        return [str(person) for person in objs], counts, needed, protected


def _may_change(request: HttpRequest, person: User | None) -> bool:
    return person is None or not person.is_superuser or request.user.is_superuser


# A site of its own, because other apps register their models with Django's default site.
site = PeopleAdminSite()
site.register(User, PeopleAdmin)
site.register(Group, GroupAdmin)
