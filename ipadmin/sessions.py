"""The session engine: Django's database sessions with hashed keys, encrypted data, the client that
signed in, and an idle timeout in addition to the absolute one."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.db import transaction
from django.utils import timezone

from ipadmin import crypto
from ipadmin.katapult.types import Secret
from ipadmin.models import Session

# In the session's data, set by `begin`.
CLIENT = "client"
# `last_seen_at` is written this often at most.
SEEN_PRECISION = timedelta(minutes=1)


class Ended(Enum):
    """Why a person's session has ended."""

    IDLE = "idle"
    EXPIRED = "expired"
    # Or its row was deleted after it had expired.
    DELETED = "deleted"


class SessionStore(DatabaseStore):
    """`row` is the row that was loaded, None for a new or ended session; `ended` says why a session
    has ended, None for a new one, and for one that nobody had signed in to."""

    row: Session | None = None
    ended: Ended | None = None

    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    def begin(self, *, source_ip: str, user_agent: str) -> None:
        """Remember the client, and when the absolute timeout began: at the sign-in."""
        now = timezone.now().isoformat()
        self[CLIENT] = {"ip": source_ip, "agent": user_agent[:300], "at": now}

    def touch(self) -> None:
        """Start the idle timeout anew."""
        now = timezone.now()
        if self.row and now - self.row.last_seen_at > SEEN_PRECISION:
            Session.objects.filter(pk=self.row.pk).update(last_seen_at=now)
            self.row.last_seen_at = now

    def load(self) -> dict[str, Any]:
        self.row = self._get_session_from_db()
        return self.decode(self.row.session_data) if self.row else {}

    def exists(self, session_key: str) -> bool:
        return super().exists(hashed(session_key))

    def delete(self, session_key: str | None = None) -> None:
        if key := session_key or self.session_key:
            super().delete(hashed(key))

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        client = data.get(CLIENT, {})
        key = hashed(self.session_key or "")
        created_at = datetime.fromisoformat(client["at"]) if client else timezone.now()
        return Session(
            session_key=key,
            session_data=self._encrypted(data, key),
            # From the sign-in on, however often the session is saved.
            expire_date=created_at + timedelta(seconds=settings.SESSION_COOKIE_AGE),
            user_id=data.get("_auth_user_id"),
            source_ip=client.get("ip") or None,
            user_agent=client.get("agent", ""),
            created_at=created_at,
        )

    def decode(self, session_data: bytes | str) -> dict[str, Any]:
        """Empty for data that was encrypted for another session or under a key that is gone."""
        try:
            encrypted = base64.b64decode(session_data)
            secret = crypto.decrypt(encrypted, bound_to=_binding(hashed(self.session_key or "")))
            data: dict[str, Any] = json.loads(secret.reveal())
        except (crypto.CannotDecrypt, ValueError):
            return {}
        return data

    def _get_session_from_db(self) -> Session | None:
        found = Session.objects.filter(session_key=hashed(self.session_key or "")).first()
        self.ended = _why_ended(found) if found else Ended.DELETED
        if self.ended is None:
            return found
        if found and found.user_id is None:
            self.ended = None
        self._session_key = None
        return None

    def _encrypted(self, data: dict[str, Any], key: str) -> str:
        secret = Secret(json.dumps(data, separators=(",", ":")))
        return base64.b64encode(crypto.encrypt(secret, bound_to=_binding(key))).decode()


def hashed(session_key: str) -> str:
    """The key of a session as the database has it."""
    return hashlib.sha256(session_key.encode()).hexdigest()


def encrypt_again(key: object) -> None:
    """Encrypt the data of a session with the newest key; `key` is the hashed one. Raises
    CannotDecrypt."""
    with transaction.atomic():
        row = Session.objects.select_for_update().get(pk=key)
        binding = _binding(row.session_key)
        data = crypto.decrypt(base64.b64decode(row.session_data), bound_to=binding)
        row.session_data = base64.b64encode(crypto.encrypt(data, bound_to=binding)).decode()
        row.save(update_fields=["session_data"])


def _why_ended(row: Session) -> Ended | None:
    now = timezone.now()
    if row.expire_date <= now:
        return Ended.EXPIRED
    return Ended.IDLE if row.last_seen_at <= now - _idle_timeout() else None


def _binding(key: str) -> str:
    return f"session:{key}"


def _idle_timeout() -> timedelta:
    return timedelta(seconds=settings.SESSION_IDLE_TIMEOUT)
