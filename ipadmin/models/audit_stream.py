from __future__ import annotations

from django.db import models


class AuditStream(models.Model):
    """How far the finished entries were sent to a target, and whether it takes them."""

    target = models.CharField(max_length=300, unique=True)
    # Of the last seal whose entry the target has taken.
    sequence = models.BigIntegerField(default=0)
    taken_at = models.DateTimeField(null=True)
    # Since when, and why, it takes nothing. Null and empty when it does.
    failing_since = models.DateTimeField(null=True)
    error = models.CharField(max_length=300, blank=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.target} up to {self.sequence}"
