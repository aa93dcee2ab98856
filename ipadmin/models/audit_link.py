from __future__ import annotations

from typing import ClassVar

from django.db import models


class LinkKind(models.TextChoices):
    """What a link seals: the first two an audit entry, the others activity."""

    OPENED = "opened", "Attempt opened"
    FINISHED = "finished", "Attempt finished"
    EXPORT_STARTED = "export_started", "Export started"
    EXPORT_FINISHED = "export_finished", "Export finished"
    VERIFIED = "verified", "Verified"
    CHECKPOINT_CREATED = "checkpoint_created", "Checkpoint created"
    PRUNED = "pruned", "Pruned"
    READ_LATER = "read_later", "Read as changed"
    ACKNOWLEDGED = "acknowledged", "Failed verification acknowledged"
    # Sign-in and sessions
    SIGNED_IN = "signed_in", "Signed in"
    SIGN_IN_FAILED = "sign_in_failed", "Sign-in failed"
    SIGNED_OUT = "signed_out", "Signed out"
    LOCKED_OUT = "locked_out", "Locked out"
    LOCK_LIFTED = "lock_lifted", "Lock-out lifted"
    REAUTHENTICATED = "reauthenticated", "Identity confirmed"
    SESSIONS_ENDED = "sessions_ended", "Sessions ended"
    # Accounts
    FACTOR_ADDED = "factor_added", "Second factor added"
    FACTOR_REMOVED = "factor_removed", "Second factor removed"
    PASSWORD_CHANGED = "password_changed", "Password changed"
    PERSON_INVITED = "person_invited", "Person invited"
    INVITATION_USED = "invitation_used", "Invitation used"
    INVITATION_REVOKED = "invitation_revoked", "Invitation revoked"
    PERSON_CHANGED = "person_changed", "Person changed"
    ROLES_CHANGED = "roles_changed", "Roles changed"
    PERSON_DISABLED = "person_disabled", "Person disabled"
    PERSON_ENABLED = "person_enabled", "Person enabled"
    # Tokens and keys
    TOKEN_ADDED = "token_added", "Token added"
    TOKEN_CHANGED = "token_changed", "Token changed"
    TOKEN_REPLACED = "token_replaced", "Token replaced"
    TOKEN_CHECKED = "token_checked", "Token checked"
    TOKEN_DELETED = "token_deleted", "Token deleted"
    KEYS_ROTATED = "keys_rotated", "Keys rotated"
    # Runs
    RUN_CONFIRMED = "run_confirmed", "Run confirmed"
    RUN_APPROVED = "run_approved", "Run approved"
    RUN_REJECTED = "run_rejected", "Run rejected"
    RUN_EXPIRED = "run_expired", "Approval of a run expired"
    RUN_PAUSED = "run_paused", "Run paused"
    RUN_RESUMED = "run_resumed", "Run resumed"
    RUN_STOPPED = "run_stopped", "Run stopped"
    RUN_FINISHED = "run_finished", "Run finished"
    RUN_TAKEN_OVER = "run_taken_over", "Run taken over"


# Largest value of a BIGINT. SQLite accepts text in a numeric column and sorts it after all numbers.
HIGHEST = 2**63 - 1


class AuditLink(models.Model):
    """One link of the hash chain. Its seal is an HMAC over what it seals and the seal before it.

    Links are numbered from 1 without gaps and never change; see `ipadmin/audit/integrity/chain.py`.
    """

    sequence = models.BigIntegerField(primary_key=True)
    kind = models.CharField(max_length=20, choices=LinkKind)
    # Of the entry; null for activity.
    attempt_id = models.UUIDField(null=True)
    # When the entry was created, or when the activity happened.
    at = models.DateTimeField()
    # SHA-256 of the sealed document in its canonical form.
    digest = models.BinaryField(max_length=32)
    # The sealed document itself, for activity: who did what.
    details = models.JSONField(null=True)
    key_id = models.CharField(max_length=8)
    seal = models.BinaryField(max_length=32)

    class Meta:
        ordering: ClassVar = ["sequence"]
        default_permissions = ("view",)
        indexes: ClassVar = [
            # Without activity: SQLite would use this index for it, and sort what it found.
            models.Index(
                fields=["attempt_id"],
                name="link_attempt",
                condition=models.Q(attempt_id__isnull=False),
            ),
            # The activity log. Activity is rare compared with entries.
            models.Index(
                fields=["sequence"],
                name="link_activity",
                condition=models.Q(attempt_id__isnull=True),
            ),
            # The latest activity of a kind: every page of the history shows one.
            models.Index(
                fields=["kind", "sequence"],
                name="link_activity_kind",
                condition=models.Q(attempt_id__isnull=True),
            ),
            # Later readings of one day: the page of a failed entry shows them.
            models.Index(
                fields=["kind", "at"],
                name="link_activity_at",
                condition=models.Q(attempt_id__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.sequence} {self.kind}"


class AuditChain(models.Model):
    """The end of the chain: one row, locked by everyone who adds a link, so that it cannot fork."""

    sequence = models.BigIntegerField(default=0)
    seal = models.BinaryField(max_length=32, default=b"")
    # Finished entries created before this may be deleted. Set only inside a pruning's transaction.
    pruning_before = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.sequence}:{bytes(self.seal).hex()}"
