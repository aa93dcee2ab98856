from __future__ import annotations

from typing import ClassVar

from django.db import models


class LinkKind(models.TextChoices):
    """What a seal stands for. The first three are an entry's, the others acts on the history."""

    OPENED = "opened", "Attempt opened"
    FINISHED = "finished", "Attempt finished"
    # A finished entry from before there were seals: sealed as it was found.
    ADOPTED = "adopted", "Earlier entry sealed"
    EXPORT_STARTED = "export_started", "Export started"
    EXPORT_FINISHED = "export_finished", "Export finished"
    VERIFIED = "verified", "Verified"
    CHECKPOINT_CREATED = "checkpoint_created", "Checkpoint created"
    PRUNED = "pruned", "Pruned"
    READ_LATER = "read_later", "Read as unallocated"


# Those of the seal of an entry that is finished.
FINISHED_KINDS = (LinkKind.FINISHED, LinkKind.ADOPTED)
# SQLite keeps text even in a column of numbers, and sorts it behind all of them.
HIGHEST = 2**63 - 1


class AuditLink(models.Model):
    """One link of the chain: an HMAC over what is sealed and the link before it.

    Links are numbered from 1 without a gap and never change; see `services/proving/seals.py`.
    """

    sequence = models.BigIntegerField(primary_key=True)
    kind = models.CharField(max_length=20, choices=LinkKind)
    # Of the entry's attempt; null for an act on the history.
    attempt_id = models.UUIDField(null=True)
    # When the entry was created, or the act done.
    at = models.DateTimeField()
    # SHA-256 of the sealed content in its canonical form.
    digest = models.BinaryField(max_length=32)
    # The content itself of an act on the history: who, and what.
    details = models.JSONField(null=True)
    key_id = models.CharField(max_length=8)
    mac = models.BinaryField(max_length=32)

    class Meta:
        ordering: ClassVar = ["sequence"]
        default_permissions = ("view",)
        indexes: ClassVar = [
            # Without the acts: SQLite would look for them here, and then sort them all.
            models.Index(
                fields=["attempt_id"],
                name="seal_attempt",
                condition=models.Q(attempt_id__isnull=False),
            ),
            # Few beside those of the entries: the log of what was done to the history.
            models.Index(
                fields=["sequence"], name="seal_act", condition=models.Q(attempt_id__isnull=True)
            ),
            # Every page of the history asks for the latest act of a kind.
            models.Index(
                fields=["kind", "sequence"],
                name="seal_act_kind",
                condition=models.Q(attempt_id__isnull=True),
            ),
            # The page of a failed entry asks for those of a day.
            models.Index(
                fields=["kind", "at"],
                name="seal_act_at",
                condition=models.Q(attempt_id__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.sequence} {self.kind}"


class AuditChain(models.Model):
    """The one row that whoever adds a link holds a lock on, so that the chain cannot fork."""

    sequence = models.BigIntegerField(default=0)
    mac = models.BinaryField(max_length=32, default=b"")
    # Entries from before this may be deleted. Only ever set inside the transaction of a pruning.
    pruning_before = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.sequence}:{bytes(self.mac).hex()}"
