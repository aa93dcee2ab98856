from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone


class AuditVerification(models.Model):
    """One walk along the chain that a person asked for, done by the worker in steps."""

    user_name = models.CharField(max_length=150)
    requested_at = models.DateTimeField(default=timezone.now)
    # A head that was recorded elsewhere, as `number:mac`; empty when none was given.
    head = models.CharField(max_length=100, blank=True)
    # Links to walk along, and those done.
    total = models.BigIntegerField(default=0)
    sequence = models.BigIntegerField(default=0)
    # Where the walk stands (see `services/proving/verification.py`).
    state = models.JSONField(default=dict)
    finished_at = models.DateTimeField(null=True)
    # What was found wrong first; empty when finished and all holds.
    finding = models.CharField(max_length=500, blank=True)
    # Under an audit key, over all of the above: nobody else says what was found, or how far.
    mac = models.BinaryField(max_length=32, default=b"")

    class Meta:
        ordering: ClassVar = ["-requested_at"]
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.requested_at:%Y-%m-%d %H:%M}: {self.finding or 'holds'}"

    @property
    def is_running(self) -> bool:
        return self.finished_at is None

    @property
    def holds(self) -> bool:
        return self.finished_at is not None and not self.finding
