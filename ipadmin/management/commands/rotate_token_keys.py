from __future__ import annotations

from django.core.management.base import BaseCommand
from django.db import transaction

from ipadmin import crypto
from ipadmin.models import ApiToken


class Command(BaseCommand):
    help = "Encrypt every API token with the newest of TOKEN_ENCRYPTION_KEYS."

    def handle(self, *args: object, **options: object) -> None:  # noqa: ARG002 - Django's signature
        encrypted, lost = 0, []
        for pk in ApiToken.objects.values_list("pk", flat=True):
            with transaction.atomic():
                # Read under a lock: the old secret must not overwrite one that was just replaced.
                token = ApiToken.objects.select_for_update().filter(pk=pk).first()
                if token is None:
                    continue
                try:
                    token.encrypt_secret(token.decrypt_secret())
                    token.encrypt_refresh_token(token.decrypt_refresh_token())
                except crypto.CannotDecrypt:
                    lost.append(pk)
                    continue
                token.save(update_fields=["encrypted_secret", "encrypted_refresh_token"])
                encrypted += 1
        self.stdout.write(f"{encrypted} encrypted with the newest key.")
        for pk in lost:
            self.stdout.write(f"{pk} cannot be decrypted; enter this token again.")
        if not lost:
            self.stdout.write("Older keys are no longer needed.")
