from __future__ import annotations

from django.db import models


class AuditStream(models.Model):
    """How far the finished entries were delivered to a target of AUDIT_STREAM."""

    target = models.CharField(max_length=300, unique=True)
    # The number of the last link whose entry was delivered.
    sequence = models.BigIntegerField(default=0)
    taken_at = models.DateTimeField(null=True)
    # Null and empty while deliveries succeed.
    failing_since = models.DateTimeField(null=True)
    error = models.CharField(max_length=300, blank=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.target} up to {self.sequence}"
