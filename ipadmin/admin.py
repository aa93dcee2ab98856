"""People, and nothing else: tokens and audit entries are not to be seen or changed here."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import UserAdmin
from django.db.models import ManyToManyField
from django.forms import ModelForm, ModelMultipleChoiceField
from django.http import HttpRequest

from ipadmin import access
from ipadmin.models import User


@admin.register(User)
class PeopleAdmin(UserAdmin[User]):
    """What a person may do comes from their groups alone.

    Superusers are made with `manage.py createsuperuser`, and only superusers can change them:
    whoever manages people must not be able to rise by it.
    """

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
    actions = None

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_change_permission(request, obj) and _may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Whoever managed people can be made inactive only: with the person would go Django's log
        of what they did."""
        if obj and LogEntry.objects.filter(user=obj).exists():
            return False
        return super().has_delete_permission(request, obj) and _may_touch(request, obj)

    def formfield_for_manytomany(
        self, db_field: ManyToManyField[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> ModelMultipleChoiceField[Any] | None:
        kwargs["widget"] = forms.CheckboxSelectMultiple
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def save_related(
        self, request: HttpRequest, form: ModelForm[User], formsets: Any, change: bool
    ) -> None:
        """Django lets nobody without the staff flag in: it follows from the groups."""
        super().save_related(request, form, formsets, change)
        person = User.objects.get(pk=form.instance.pk)
        person.is_staff = person.is_superuser or person.has_perm(access.MANAGE_PEOPLE)
        person.save(update_fields=["is_staff"])

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Name the people only: what their tokens are called is their own business."""
        _all, counts, needed, protected = super().get_deleted_objects(objs, request)
        return [str(person) for person in objs], counts, needed, protected


def _may_touch(request: HttpRequest, person: User | None) -> bool:
    return person is None or not person.is_superuser or request.user.is_superuser
