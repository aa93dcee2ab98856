"""The sessions of a person: listed, and ended."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from ipadmin.audit.activity import Actor, about, record
from ipadmin.models import LinkKind, Session, User
from ipadmin.sessions import hashed


def of(user: User) -> QuerySet[Session]:
    """Those that have not ended, the one used last first."""
    now = timezone.now()
    idle_since = now - timedelta(seconds=settings.SESSION_IDLE_TIMEOUT)
    return user.sessions.filter(expire_date__gt=now, last_seen_at__gt=idle_since)


def id_of(session: SessionBase) -> str:
    """The primary key of a session's row."""
    return hashed(session.session_key or "")


def end(found: QuerySet[Session], user: User, by: Actor) -> int:
    """End some of the user's sessions. Returns how many."""
    with transaction.atomic():
        ended, _ = found.delete()
        if ended:
            record(LinkKind.SESSIONS_ENDED, by, **about(user), sessions=ended)
        return ended


def end_others(session: SessionBase, user: User) -> int:
    """End all sessions of the user but this one, without a record. Returns how many."""
    ended, _ = user.sessions.exclude(pk=id_of(session)).delete()
    return ended
