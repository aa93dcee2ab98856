from __future__ import annotations

from django.db import models

from ipadmin.models.api_token import ApiToken


class InventorySnapshot(models.Model):
    """The addresses that were last read with a token, for all processes of the site.

    Never shared between tokens, since two tokens may see different things. `content` is written and
    read by `services/snapshots.py`; it contains no secret.
    """

    token = models.OneToOneField(
        ApiToken, on_delete=models.CASCADE, primary_key=True, related_name="snapshot"
    )
    # The time just before the first call.
    read_at = models.DateTimeField()
    # Addresses, as Katapult counted them; null if it did not.
    total = models.PositiveIntegerField(null=True)
    is_complete = models.BooleanField()
    # Of `content`, so that it need not be read for them.
    address_count = models.PositiveIntegerField(default=0)
    allocated_count = models.PositiveIntegerField(default=0)
    content = models.BinaryField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.token_id} at {self.read_at:%Y-%m-%d %H:%M:%S}"
