from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone

from ipadmin.katapult.types import Allocation, IPAddress
from ipadmin.models.api_token import ApiToken
from ipadmin.models.audit_entry import Action
from ipadmin.models.search_keys import MAX_KEY_LENGTH, folded


class RunState(models.TextChoices):
    """The state of a run. A draft is shown for confirmation; a waiting run needs an approval."""

    DRAFT = "draft"
    WAITING = "waiting", "Waiting for approval"
    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    STOPPED = "stopped"
    REJECTED = "rejected"
    EXPIRED = "expired", "Approval expired"


# A person can still change what becomes of these.
ACTIVE = (RunState.QUEUED, RunState.RUNNING, RunState.PAUSED)
# Nothing will be attempted any more.
ENDED = (RunState.FINISHED, RunState.STOPPED, RunState.REJECTED, RunState.EXPIRED)


class SkipReason(models.TextChoices):
    """Why an address is listed, but not part of the run."""

    NOT_ALLOCATED = "not_allocated"
    NOT_FOUND = "not_found"
    NOT_LISTED = "not_listed"  # the list of addresses changed while it was read
    LOAD_BALANCER = "load_balancer"
    NOT_A_MACHINE = "not_a_machine"  # only virtual machines get an address back
    ALLOCATED_AGAIN = "allocated_again"
    PUT_BACK = "put_back"  # or changed by another later attempt, which may be open


class ApprovalRule(models.TextChoices):
    """The setting because of which a run needs an approval."""

    EVERY = "every"
    DANGEROUS = "dangerous"
    SIZE = "size"


class Run(models.Model):
    """Many attempts under one confirmation, carried out by the worker.

    The run holds what was confirmed, and its state. What became of each address is in the audit
    entries of its attempts, never here.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    action = models.CharField(max_length=20, choices=Action, default=Action.UNALLOCATE)
    state = models.CharField(max_length=10, choices=RunState, default=RunState.DRAFT)
    # An error code, or `by_person`; empty unless stopped.
    stop_reason = models.CharField(max_length=100, blank=True)
    reason = models.CharField(max_length=500, blank=True)
    # Of the run that this one undoes, or whose failed attempts it repeats.
    undoes = models.ForeignKey("self", models.SET_NULL, null=True, related_name="undone_by")
    retries = models.ForeignKey("self", models.SET_NULL, null=True, related_name="retried_by")
    # Whether each address gets its old host name after it was allocated.
    restores_reverse_dns = models.BooleanField(default=False)

    created_at = models.DateTimeField(default=timezone.now, editable=False)
    confirmed_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    # Person and request
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="runs")
    source_ip = models.GenericIPAddressField(null=True)
    request_id = models.CharField(max_length=64, blank=True)

    # Token and API. The label is for a token that was deleted.
    token = models.ForeignKey(ApiToken, models.SET_NULL, null=True, related_name="runs")
    token_label = models.CharField(max_length=60)
    organization_id = models.CharField(max_length=64, blank=True)
    organization_name = models.CharField(max_length=200, blank=True)
    organization_sub_domain = models.CharField(max_length=200, blank=True)
    # As in the audit entries.
    organization_key = models.CharField(max_length=MAX_KEY_LENGTH, blank=True, editable=False)
    api_url = models.CharField(max_length=200)

    # The claim of the worker that carries it out, and until when it is valid without a renewal.
    claimed_by = models.UUIDField(null=True)
    claimed_until = models.DateTimeField(null=True)

    # Approval by a second person
    approval_rule = models.CharField(max_length=10, choices=ApprovalRule, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="decided_runs"
    )
    decided_at = models.DateTimeField(null=True)
    decision_reason = models.CharField(max_length=500, blank=True)
    expires_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-created_at"]
        default_permissions = ()
        indexes: ClassVar = [
            models.Index(fields=["state", "created_at"], name="run_state"),
            models.Index(fields=["user", "created_at"], name="run_user"),
            models.Index(fields=["organization_key", "created_at"], name="run_organization"),
        ]

    def __str__(self) -> str:
        return f"{self.action} by {self.user_id}: {self.state}"

    def get_absolute_url(self) -> str:
        return reverse("run", args=[self.pk])

    def set_token(self, token: ApiToken) -> None:
        """Set the token and copies of what names it. Does not save."""
        self.token, self.token_label, self.api_url = token, token.label, settings.KATAPULT_API_URL
        self.organization_id = token.organization_id
        self.organization_name = token.organization_name
        self.organization_sub_domain = token.organization_sub_domain
        self.organization_key = folded(token.organization_id or token.organization_sub_domain)

    @property
    def organization_title(self) -> str:
        return self.organization_name or self.organization_sub_domain or self.organization_id

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE

    @property
    def has_ended(self) -> bool:
        return self.state in ENDED


class RunItem(models.Model):
    """One address of a run as it was confirmed, or left out of it with a `skip_reason`.

    For `allocate` the allocation is the target, and `reverse_dns` the host name to restore.
    """

    run = models.ForeignKey(Run, models.CASCADE, related_name="items")
    position = models.PositiveIntegerField()
    # Of the current try: after a 429 the address gets a new one. `dns_attempt_id` is the second
    # attempt, which restores the host name.
    attempt_id = models.UUIDField(unique=True, default=uuid.uuid4)
    dns_attempt_id = models.UUIDField(unique=True, default=uuid.uuid4)
    tries = models.PositiveSmallIntegerField(default=1)
    dns_tries = models.PositiveSmallIntegerField(default=1)
    undoes = models.UUIDField(null=True)
    skip_reason = models.CharField(max_length=20, choices=SkipReason, blank=True)

    # Empty where the address is not known.
    address_id = models.CharField(max_length=64)
    address = models.CharField(max_length=64, blank=True)
    reverse_dns = models.CharField(max_length=1000, blank=True)
    vip = models.BooleanField(default=False)
    # Whether its machine keeps no address of its family; null where that is not known.
    last_of_family = models.BooleanField(null=True)
    allocation_id = models.CharField(max_length=1000, blank=True)
    allocation_type = models.CharField(max_length=1000, blank=True)
    allocation_name = models.CharField(max_length=1000, blank=True)
    # Just before the address was read.
    read_since = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["position"]
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["run", "position"], name="run_item_position")
        ]

    def __str__(self) -> str:
        return self.address or self.address_id

    @property
    def allocation(self) -> Allocation | None:
        return Allocation.of(self.allocation_id, self.allocation_type, self.allocation_name)

    @property
    def ip(self) -> IPAddress:
        """The address as it was confirmed, with its allocation or the target."""
        return IPAddress(self.address_id, self.address, self.reverse_dns, self.vip, self.allocation)

    @property
    def is_dangerous(self) -> bool:
        """Whether unallocating it needs special attention: it may be the last of its family."""
        return self.vip or self.last_of_family is not False

    @property
    def family(self) -> str:
        return self.ip.family
