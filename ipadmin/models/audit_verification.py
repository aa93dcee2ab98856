from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone


class VerificationStatus(models.TextChoices):
    REQUESTED = "requested"
    RUNNING = "running"
    FINISHED = "finished"


class AuditVerification(models.Model):
    """One verification of the whole hash chain, and its result.

    Nothing in this row is trusted for a good result: `status.is_confirmed` compares it with the
    link `result_link`, in which the result was sealed.
    """

    user_name = models.CharField(max_length=150)
    # A checkpoint that was stored elsewhere, as `number:seal`; empty when none was given.
    checkpoint = models.CharField(max_length=100, blank=True)
    requested_at = models.DateTimeField(default=timezone.now)
    status = models.CharField(
        max_length=10, choices=VerificationStatus, default=VerificationStatus.REQUESTED
    )
    # Written every second or two by the worker that verifies; an old one means it was killed.
    heartbeat_at = models.DateTimeField(null=True)
    links_total = models.BigIntegerField(default=0)
    links_done = models.BigIntegerField(default=0)

    finished_at = models.DateTimeField(null=True)
    # The first problem; empty when there is none.
    finding = models.CharField(max_length=500, blank=True)
    # Entries that are as they were sealed, and entries that retention removed.
    entries = models.BigIntegerField(default=0)
    pruned = models.BigIntegerField(default=0)
    result_link = models.BigIntegerField(null=True)

    class Meta:
        ordering: ClassVar = ["-requested_at"]
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.requested_at:%Y-%m-%d %H:%M}: {self.title}"

    @property
    def is_running(self) -> bool:
        return self.status != VerificationStatus.FINISHED

    @property
    def holds(self) -> bool:
        return not self.is_running and not self.finding

    @property
    def title(self) -> str:
        """The result in a few words, or what is being done."""
        if self.status == VerificationStatus.REQUESTED:
            return "Waiting for the worker"
        if self.is_running:
            return "Verifying"
        if self.holds:
            return f"Verified: {_records(self.links_total)} intact"
        return "Tampering detected"

    @property
    def progress(self) -> str:
        return f"{self.links_done:,} of {_records(self.links_total)}"


def _records(count: int) -> str:
    return f"{count:,} record{'' if count == 1 else 's'}"
