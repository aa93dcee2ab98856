from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from uuid import UUID

from allauth.mfa.models import Authenticator
from django.core.exceptions import ObjectDoesNotExist
from django.core.management.base import BaseCommand
from django.db import transaction

from ipadmin import adapter, crypto, sessions
from ipadmin.audit import activity
from ipadmin.models import ApiToken, LinkKind, Session


class Kind(NamedTuple):
    """Rows with encrypted secrets: how to read them, and how to encrypt those of one row anew."""

    name: str
    model: type[ApiToken] | type[Authenticator] | type[Session]
    secrets: Callable[..., list[bytes]]
    encrypt: Callable[[Any], None]
    advice: str


class Command(BaseCommand):
    help = (
        "Encrypt all secrets with the newest of TOKEN_ENCRYPTION_KEYS, while the site runs. Can be"
        " stopped and started again: what has the newest key already is left alone."
    )

    def handle(self, *args: object, **options: object) -> None:  # noqa: ARG002 - Django's signature
        newest = crypto.newest_key_id()
        lost: list[str] = []
        encrypted = 0
        for kind in KINDS:
            for pk in _under_older_keys(kind, newest):
                try:
                    kind.encrypt(pk)
                    encrypted += 1
                except crypto.CannotDecrypt:
                    lost.append(f"{kind.name} {pk} cannot be decrypted; {kind.advice}.")
                except ObjectDoesNotExist:
                    continue
        activity.record(
            LinkKind.KEYS_ROTATED,
            activity.command_line_actor(),
            secrets=encrypted,
            key=newest.hex(),
        )
        self.stdout.write(f"{encrypted} encrypted with the newest key.")
        for line in lost:
            self.stdout.write(line)
        self._report(newest)
        if not lost:
            self.stdout.write("Older keys are no longer needed.")

    def _report(self, newest: bytes) -> None:
        for kind in KINDS:
            secrets = (each for row in _rows(kind) for each in kind.secrets(row))
            keys = Counter(map(crypto.key_id_of, secrets))
            for key, count in keys.most_common():
                note = " (the newest)" if key == newest else ""
                self.stdout.write(f"{kind.name}: {count:,} under key {key.hex()}{note}")


def _rows(kind: Kind) -> Iterator[Any]:
    return kind.model.objects.order_by("pk").iterator(chunk_size=500)


def _under_older_keys(kind: Kind, newest: bytes) -> list[Any]:
    return [
        row.pk
        for row in _rows(kind)
        if any(crypto.key_id_of(each) != newest for each in kind.secrets(row))
    ]


def _token_secrets(token: ApiToken) -> list[bytes]:
    found = (token.encrypted_secret, token.encrypted_refresh_token)
    return [bytes(each) for each in found if each]


def _encrypt_token(pk: UUID) -> None:
    """Under a lock: the old secret must not overwrite one that was just replaced."""
    with transaction.atomic():
        token = ApiToken.objects.select_for_update().get(pk=pk)
        token.encrypt_secret(token.decrypt_secret())
        token.encrypt_refresh_token(token.decrypt_refresh_token())
        token.save(update_fields=["encrypted_secret", "encrypted_refresh_token"])


def _session_secrets(session: Session) -> list[bytes]:
    return [base64.b64decode(session.session_data)]


KINDS = (
    Kind("Token", ApiToken, _token_secrets, _encrypt_token, "enter this token again"),
    Kind(
        "Second factor",
        Authenticator,
        adapter.encrypted_secrets,
        adapter.encrypt_again,
        "remove it under People, with Reset access",
    ),
    Kind(
        "Session",
        Session,
        _session_secrets,
        sessions.encrypt_again,
        "its person has to sign in again",
    ),
)
