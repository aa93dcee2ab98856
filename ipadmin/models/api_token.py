from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone

from ipadmin import crypto
from ipadmin.katapult.types import Organization, Secret


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def ready(self) -> ApiTokenQuerySet:
        """Tokens with an organization; the others can't be used yet."""
        return self.exclude(organization_id="", organization_sub_domain="")


class ApiToken(models.Model):
    """A Katapult API token of one user, for one organization.

    Once chosen, the organization never changes: the URL of a page names the token, and must not
    change its meaning. Until then the token is not `is_ready`.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens"
    )
    label = models.CharField(max_length=60)
    encrypted_secret = models.BinaryField()
    # For a connection through OAuth2: what the secret, then an access token, is refreshed with, and
    # when it expires, where that is known; its scopes are never empty. None and empty for a pasted
    # token.
    encrypted_refresh_token = models.BinaryField(null=True)
    expires_at = models.DateTimeField(null=True)
    granted_scopes = models.JSONField(default=list)
    last_four = models.CharField(max_length=4)
    fingerprint = models.CharField(max_length=16)

    # Only the sub-domain is known when the token may not list organizations.
    organization_id = models.CharField(max_length=64, blank=True)
    organization_name = models.CharField(max_length=200, blank=True)
    organization_sub_domain = models.CharField(max_length=200, blank=True)

    # Results of the last check; None where it is not known.
    can_list = models.BooleanField(null=True)
    can_unallocate = models.BooleanField(null=True)
    can_list_machines = models.BooleanField(null=True)
    missing_scopes = models.JSONField(default=list)

    created_at = models.DateTimeField(default=timezone.now, editable=False)
    checked_at = models.DateTimeField(null=True)
    used_at = models.DateTimeField(null=True)
    last_error_code = models.CharField(max_length=100, blank=True)
    last_error_at = models.DateTimeField(null=True)

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        verbose_name = "API token"
        ordering: ClassVar = ["created_at"]
        default_permissions = ()
        permissions: ClassVar = [("use_apitoken", "Can add API tokens and unallocate with them")]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["owner", "label"], name="api_token_label_per_owner")
        ]

    def __str__(self) -> str:
        return self.label

    def get_absolute_url(self) -> str:
        return reverse("token", args=[self.id])

    @property
    def is_connection(self) -> bool:
        """Whether it came through OAuth2, and was not pasted."""
        return bool(self.granted_scopes)

    @property
    def must_connect_again(self) -> bool:
        """Whether its access token has expired and can't be refreshed."""
        has_expired = self.expires_at is not None and self.expires_at <= timezone.now()
        return has_expired and self.encrypted_refresh_token is None

    @property
    def is_ready(self) -> bool:
        return bool(self.organization_id or self.organization_sub_domain)

    @property
    def organization(self) -> Organization:
        return Organization(
            self.organization_id, self.organization_name, self.organization_sub_domain
        )

    @property
    def organization_title(self) -> str:
        """The organization's name, or else its sub-domain or id."""
        return self.organization_name or self.organization_sub_domain or self.organization_id

    @property
    def may_list_machines(self) -> bool:
        """False if the last check found that the token lacks the permission."""
        return self.can_list_machines is not False

    @property
    def is_read_only(self) -> bool:
        """Whether the last check found that the token can't unallocate."""
        return self.can_unallocate is False

    def encrypt_secret(self, secret: Secret) -> None:
        """Set the secret, encrypted for this row and owner. Does not save."""
        self.encrypted_secret = crypto.encrypt(secret, bound_to=self._binding)
        self.last_four, self.fingerprint = secret.last_four, secret.fingerprint

    def decrypt_secret(self) -> Secret:
        """The secret. Raises crypto.CannotDecrypt."""
        return crypto.decrypt(bytes(self.encrypted_secret), bound_to=self._binding)

    def encrypt_refresh_token(self, secret: Secret | None) -> None:
        """Set the refresh token, encrypted for this row and owner. Does not save."""
        binding = self._refresh_binding
        self.encrypted_refresh_token = secret and crypto.encrypt(secret, bound_to=binding)

    def decrypt_refresh_token(self) -> Secret | None:
        """The refresh token, if there is one. Raises crypto.CannotDecrypt."""
        if self.encrypted_refresh_token is None:
            return None
        encrypted = bytes(self.encrypted_refresh_token)
        return crypto.decrypt(encrypted, bound_to=self._refresh_binding)

    @property
    def opens(self) -> bool:
        """Whether the secret can be decrypted; otherwise it has to be entered again."""
        try:
            self.decrypt_secret()
        except crypto.CannotDecrypt:
            return False
        return True

    @property
    def _binding(self) -> str:
        return f"api-token:{self.id}:{self.owner_id}"

    @property
    def _refresh_binding(self) -> str:
        """Another one, so that a refresh token is never sent as an API token."""
        return f"refresh-token:{self.id}:{self.owner_id}"
