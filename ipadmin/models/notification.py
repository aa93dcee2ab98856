from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone


class NotificationKind(models.TextChoices):
    """What people are notified of."""

    OUTCOME = "outcome", "Outcome stayed unknown"
    DANGEROUS = "dangerous", "Attempt on a VIP or last address"
    RUN = "run", "Run that ended"
    APPROVAL = "approval", "Request for approval"
    VERIFICATION = "verification", "Failed verification"
    STREAM = "stream", "Stream that does not advance"
    TOKEN = "token", "Rejected token"
    TEST = "test", "Test"


class Notification(models.Model):
    """One thing that people are notified of. Its key makes it unique, however often it is found."""

    key = models.CharField(max_length=150, unique=True)
    kind = models.CharField(max_length=20, choices=NotificationKind)
    title = models.CharField(max_length=200)
    text = models.CharField(max_length=500)
    # Of the page that says more, on this site.
    path = models.CharField(max_length=200)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.title


class DeliveryState(models.TextChoices):
    WAITING = "waiting"
    SENT = "sent"
    EXPIRED = "expired"


class NotificationDelivery(models.Model):
    """One message to one target: a notification, and the number of others of its kind since."""

    # "slack 1": scheme and number of the URL in NOTIFY_URLS. The rest of a URL can be secret.
    target = models.CharField(max_length=50)
    kind = models.CharField(max_length=20, choices=NotificationKind)
    first = models.ForeignKey(Notification, on_delete=models.CASCADE)
    # The id of the last notification in it.
    last = models.BigIntegerField()
    others = models.PositiveIntegerField()

    state = models.CharField(
        max_length=10, choices=DeliveryState, default=DeliveryState.WAITING, db_index=True
    )
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    # When it is sent, or sent again. The worker that sends it sets this ahead before.
    next_at = models.DateTimeField(default=timezone.now)
    tries = models.PositiveIntegerField(default=0)
    sent_at = models.DateTimeField(null=True)
    # Of the last try; never with any part of the URL.
    error = models.CharField(max_length=200, blank=True)

    class Meta:
        verbose_name_plural = "notification deliveries"
        ordering: ClassVar = ["-created_at", "-id"]
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["target", "kind"],
                condition=models.Q(state=DeliveryState.WAITING),
                name="notification_one_waiting",
            )
        ]

    def __str__(self) -> str:
        return f"{self.first} to {self.target}: {self.state}"

    @property
    def title(self) -> str:
        if not self.others:
            return self.first.title
        return f"{self.first.title} (and {self.others} {'other' if self.others == 1 else 'others'})"


class NotificationWatermark(models.Model):
    """Where the worker goes on looking for what people are notified of: one row, locked by the
    worker that writes notifications, so that their ids are committed in their order."""

    # Nothing before this is notified of.
    since = models.DateTimeField(default=timezone.now)
    # Number of the last link of the hash chain that was looked at.
    sequence = models.BigIntegerField(default=0)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"after {self.sequence}"
