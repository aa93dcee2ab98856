from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.utils import timezone


class Session(AbstractBaseSession):
    """A session of a browser. Its key is the SHA-256 of the one in the cookie, and its data are
    encrypted, so that nobody can use a session that they read in the database."""

    session_key = models.CharField(max_length=64, primary_key=True)
    # None before the sign-in.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="sessions"
    )
    source_ip = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    # Written once a minute at most.
    last_seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ()
        ordering: ClassVar = ["-last_seen_at"]

    def __str__(self) -> str:
        return self.session_key[:8]
