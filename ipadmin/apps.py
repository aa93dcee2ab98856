from __future__ import annotations

from django.apps import AppConfig


class IpAdminConfig(AppConfig):
    name = "ipadmin"
    verbose_name = "IP admin"

    def ready(self) -> None:
        from ipadmin import checks  # noqa: F401, PLC0415 - registers the checks
