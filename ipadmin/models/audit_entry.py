from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db import models
from django.db.models import OuterRef, QuerySet, Subquery
from django.urls import reverse
from django.utils import timezone

from ipadmin.katapult.types import Allocation
from ipadmin.models.search_keys import MAX_KEY_LENGTH, address_key, folded
from ipadmin.models.user import User

# Indexed fields, each with a short name for its index: databases allow 30 characters.
SEARCHED_BY = {
    # The account: names say only what it was called at the time.
    "user_id": "user",
    "token_id": "token",
    "organization_key": "organization",
    "environment": "environment",
    "action": "action",
    "outcome": "outcome",
    "error_code": "error",
    "address_key": "address",
    "address_id": "address_id",
    "allocation_id_key": "allocation",
    "allocation_name_key": "machine",
    "reverse_dns_key": "host",
    "request_id": "request",
    "katapult_request_id": "katapult_request",
}
# Search keys of names, and the names.
FOLDED = {
    f"{name}_key": name for name in ("allocation_id", "allocation_name", "reverse_dns", "user_name")
}


class Action(models.TextChoices):
    """What an attempt changes. The last two exist to undo the first."""

    UNALLOCATE = "unallocate", "Unallocate"
    ALLOCATE = "allocate", "Allocate"
    SET_REVERSE_DNS = "set_reverse_dns", "Set reverse DNS"


class Outcome(models.TextChoices):
    """The outcome of an attempt. Entries that are `pending`, and some `unknown` ones, are open."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Basis(models.TextChoices):
    """What a final outcome is based on."""

    ANSWER = "answer", "Katapult's answer"
    EVIDENCE = "evidence", "reading the address afterwards"
    CHECK = "check", "a check before the call"


class AuditEntry(models.Model):
    """The record of one attempt to change an address: who, what, with which token, its outcome.

    Everything is a copy without foreign keys, so that deleting a user or a token changes no entry.
    Only `audit/entries.py` writes entries. Opened before the API is called: see
    `services/attempt.py`.
    """

    # From the confirmation page. Unique: an attempt makes at most one call.
    attempt_id = models.UUIDField(unique=True, editable=False)
    # The shape of its document: see `audit/document.py`.
    format = models.PositiveSmallIntegerField(default=2)
    action = models.CharField(max_length=20, choices=Action, default=Action.UNALLOCATE)
    outcome = models.CharField(max_length=10, choices=Outcome, default=Outcome.PENDING)

    created_at = models.DateTimeField(default=timezone.now, editable=False)
    # Just before the call; null while nothing was sent.
    sent_at = models.DateTimeField(null=True)
    # When the outcome became final; null while the entry is open.
    finished_at = models.DateTimeField(null=True)

    # Person and request
    user_id = models.BigIntegerField()
    user_name = models.CharField(max_length=150)
    source_ip = models.GenericIPAddressField(null=True)
    request_id = models.CharField(max_length=64, blank=True)
    reason = models.CharField(max_length=500, blank=True)
    # The attempt that this one undoes, and the run that it is part of (`models/run.py`).
    undoes = models.UUIDField(null=True)
    run_id = models.UUIDField(null=True)

    # Token and API
    token_id = models.UUIDField()
    token_label = models.CharField(max_length=60)
    token_fingerprint = models.CharField(max_length=16)
    organization_id = models.CharField(max_length=64, blank=True)
    organization_name = models.CharField(max_length=200, blank=True)
    organization_sub_domain = models.CharField(max_length=200, blank=True)
    environment = models.CharField(max_length=10)
    api_url = models.CharField(max_length=200)

    # Address and allocation
    address_id = models.CharField(max_length=64)
    address = models.CharField(max_length=64)
    address_label = models.CharField(max_length=1000, blank=True)
    vip = models.BooleanField(default=False)
    # The only IPv4 or IPv6 address of its machine; null where that was not known.
    last_of_family = models.BooleanField(null=True)
    # The address's host name, and for `set_reverse_dns` the one it is to get.
    reverse_dns = models.CharField(max_length=1000, blank=True)
    requested_reverse_dns = models.CharField(max_length=1000, blank=True)
    # What it was allocated to; for `allocate`, what it is to be allocated to.
    allocation_id = models.CharField(max_length=1000, blank=True)
    allocation_type = models.CharField(max_length=1000, blank=True)
    allocation_name = models.CharField(max_length=1000, blank=True)

    # Katapult's response
    http_status = models.PositiveSmallIntegerField(null=True)
    error_code = models.CharField(max_length=100, blank=True)
    error_description = models.CharField(max_length=1000, blank=True)
    error_detail = models.JSONField(default=dict)
    katapult_request_id = models.CharField(max_length=64, blank=True)
    rate_limit_permitted = models.PositiveIntegerField(null=True)
    rate_limit_remaining = models.PositiveIntegerField(null=True)
    # Microseconds that the call took; null when none was made.
    duration_us = models.BigIntegerField(null=True)

    # How the outcome was determined: `evidence` is a list of readings (`audit/readings.py`),
    # `competing_attempts` the IDs of attempts that could have unallocated the address
    # (`audit/competing.py`). JSON holds no floats: see `document.storable`.
    basis = models.CharField(max_length=10, choices=Basis, blank=True)
    evidence = models.JSONField(default=list)
    competing_attempts = models.JSONField(default=list)

    # Search keys of the fields above (see `keys_of` and `models/search_keys.py`).
    address_key = models.CharField(max_length=33, blank=True, editable=False)
    organization_key = models.CharField(max_length=MAX_KEY_LENGTH, blank=True, editable=False)
    allocation_id_key = models.CharField(max_length=MAX_KEY_LENGTH, blank=True, editable=False)
    allocation_name_key = models.CharField(max_length=MAX_KEY_LENGTH, blank=True, editable=False)
    reverse_dns_key = models.CharField(max_length=MAX_KEY_LENGTH, blank=True, editable=False)
    user_name_key = models.CharField(max_length=MAX_KEY_LENGTH, blank=True, editable=False)

    class Meta:
        verbose_name_plural = "audit entries"
        ordering: ClassVar = ["-created_at", "-id"]
        default_permissions = ("view",)
        indexes: ClassVar = [
            models.Index(fields=["created_at", "id"], name="audit_created"),
            # Each search finds entries in the order in which they are shown.
            *(
                models.Index(fields=[field, "created_at", "id"], name=f"audit_by_{short}")
                for field, short in SEARCHED_BY.items()
            ),
            *(
                models.Index(
                    fields=fields,
                    name=name,
                    condition=models.Q((f"{fields[0]}__isnull", False)),
                )
                for fields, name in (
                    (["run_id", "created_at", "id"], "audit_by_run"),
                    (["undoes"], "audit_undoes"),
                )
            ),
            # Open entries, for the reconciler and each operator's banner.
            models.Index(
                fields=["user_id"], name="audit_open", condition=models.Q(finished_at=None)
            ),
            # What each read of addresses is compared with: see `services/later_reads.py`.
            models.Index(
                fields=["api_url", "finished_at"],
                name="audit_failed_by_evidence",
                condition=models.Q(outcome=Outcome.FAILED, basis=Basis.EVIDENCE),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.address} by {self.user_name}: {self.outcome}"

    def save(self, *args: Any, **options: Any) -> None:
        if self._state.adding:
            for name, value in keys_of(self.__dict__).items():
                setattr(self, name, value)
        super().save(*args, **options)

    def get_absolute_url(self) -> str:
        return reverse("audit_entry", args=[self.attempt_id])

    @property
    def person(self) -> str:
        """The name of the account, if a query selected it (see `with_names`) and the account still
        exists; else the recorded one."""
        return getattr(self, "account_name", None) or self.user_name

    @property
    def recorded_as(self) -> str:
        """The recorded name, if it is not that of the account: accounts were renamed once."""
        return self.user_name if self.person != self.user_name else ""

    @property
    def known_action(self) -> Action:
        """The action; `unallocate` for one that was changed in the database to something else."""
        return Action(self.action) if self.action in Action.values else Action.UNALLOCATE

    @property
    def is_open(self) -> bool:
        return self.finished_at is None

    @property
    def allocation(self) -> Allocation | None:
        """The confirmed allocation, or for `allocate` the target; None when there was none."""
        return Allocation.of(self.allocation_id, self.allocation_type, self.allocation_name)

    @property
    def organization_title(self) -> str:
        return self.organization_name or self.organization_sub_domain or self.organization_id


def with_names(entries: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
    """The entries with the present names of their accounts."""
    accounts = User.objects.filter(pk=OuterRef("user_id"))
    return entries.annotate(account_name=Subquery(accounts.values("username")))


def keys_of(fields: Mapping[str, Any]) -> dict[str, str]:
    """The search keys of the given fields of an entry."""
    keys = {key: folded(fields[name]) for key, name in FOLDED.items() if name in fields}
    if "address" in fields:
        keys["address_key"] = address_key(fields["address"])
    if "organization_id" in fields:
        organization = fields["organization_id"] or fields["organization_sub_domain"]
        keys["organization_key"] = folded(organization)
    return keys
