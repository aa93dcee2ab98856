from __future__ import annotations

from django.apps import AppConfig


class IpAdminConfig(AppConfig):
    name = "ipadmin"
    verbose_name = "IP admin"

    def ready(self) -> None:
        # Registers the checks, and connects the receivers.
        from ipadmin import checks, receivers  # noqa: F401, PLC0415
