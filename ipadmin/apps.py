from __future__ import annotations

from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class IpAdminConfig(AppConfig):
    name = "ipadmin"
    verbose_name = "IP admin"
    default = True

    def ready(self) -> None:
        from ipadmin import checks  # noqa: F401, PLC0415 - registers them, once settings are read


class PeopleAdminConfig(admin_apps.AdminConfig):
    """Django's admin, for people only; see `admin_site.py`."""

    default_site = "ipadmin.admin_site.PeopleAdminSite"
    default = False
