from __future__ import annotations

from django.core.management.base import BaseCommand
from django.db import transaction

from ipadmin import crypto
from ipadmin.models import ApiToken


class Command(BaseCommand):
    help = "Encrypt every API token with the newest of TOKEN_ENCRYPTION_KEYS."

    def handle(self, *args: object, **options: object) -> None:  # noqa: ARG002 - Django's signature
        encrypted = current = 0
        lost: list[str] = []
        for pk in ApiToken.objects.values_list("pk", flat=True):
            with transaction.atomic():
                # Read under a lock: the old secret must not overwrite one that was just replaced.
                token = ApiToken.objects.select_for_update().filter(pk=pk).first()
                if token is None:
                    continue
                try:
                    secret = token.decrypt_secret()
                except crypto.CannotDecrypt:
                    lost.append(str(pk))
                    continue
                if crypto.is_encrypted_with_newest_key(bytes(token.encrypted_secret)):
                    current += 1
                    continue
                token.encrypt_secret(secret)
                token.save(update_fields=["encrypted_secret", "last_four", "fingerprint"])
                encrypted += 1
        self.stdout.write(f"{encrypted} encrypted with the newest key, {current} already were.")
        for name in lost:
            self.stdout.write(f"{name} cannot be decrypted; enter this token again.")
        if not lost:
            self.stdout.write("Older keys are no longer needed.")
