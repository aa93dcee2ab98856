"""Sentences about sign-ins and sessions."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import ceil
from typing import NamedTuple

from django.conf import settings
from django.contrib.auth.models import AnonymousUser

from ipadmin.models import Session, User
from ipadmin.sessions import Ended
from ipadmin.ui.components import Notice

# The part of a user agent that names the browser or system; the first that occurs counts.
BROWSERS = {
    "Edg": "Edge",
    "OPR/": "Opera",
    "SamsungBrowser": "Samsung Internet",
    "Firefox": "Firefox",
    "FxiOS": "Firefox",
    "Chrome": "Chrome",
    "CriOS": "Chrome",
    "Safari": "Safari",
    "curl": "curl",
    "python": "A Python program",
}
SYSTEMS = {
    "iPhone": "an iPhone",
    "iPad": "an iPad",
    "Android": "Android",
    "Windows": "Windows",
    "CrOS": "ChromeOS",
    "Macintosh": "a Mac",
    "Linux": "Linux",
}
NOTHING_CHANGED = "Nothing was changed. Sign in to continue."
NOT_YOUR_PASSWORD = Notice(
    "warning",
    "Choose a password of your own",
    ("Someone else has set the one that you signed in with. Change it to go on.",),
)


class SessionRow(NamedTuple):
    id: str
    device: str
    address: str
    began_at: datetime
    seen_at: datetime
    is_this: bool


def row(session: Session, this: str) -> SessionRow:
    """`this` is the id of the reader's own session."""
    return SessionRow(
        session.session_key,
        device(session.user_agent),
        session.source_ip or "Unknown",
        session.created_at,
        session.last_seen_at,
        session.session_key == this,
    )


def device(user_agent: str) -> str:
    """Browser and system: `Firefox on Windows`."""
    browser = _first(BROWSERS, user_agent) or "Unknown browser"
    system = _first(SYSTEMS, user_agent)
    return f"{browser} on {system}" if system else browser


def _first(names: dict[str, str], user_agent: str) -> str:
    return next((name for part, name in names.items() if part in user_agent), "")


def password_notice(user: User | AnonymousUser) -> Notice | None:
    if user.is_anonymous or not (user.must_change_password and user.has_usable_password()):
        return None
    return NOT_YOUR_PASSWORD


def ended(count: int) -> str:
    if not count:
        return "No other session was active."
    return f"{count} session{'s were' if count > 1 else ' was'} ended."


def why_ended(why: Ended) -> str:
    """For a person who is asked to sign in again."""
    if why is Ended.IDLE:
        idle = duration(settings.SESSION_IDLE_TIMEOUT)
        return f"You were signed out because this site was not used for {idle}. {NOTHING_CHANGED}"
    if why is Ended.EXPIRED:
        longest = duration(settings.SESSION_COOKIE_AGE)
        return f"You were signed out: a session lasts {longest}. {NOTHING_CHANGED}"
    return (
        "You were signed out: this session was ended in another browser or by an administrator, "
        f"or the password was changed. {NOTHING_CHANGED}"
    )


def too_many_passwords(seconds: float) -> str:
    return (
        f"Too many wrong passwords. Try again in {duration(seconds)}, or ask the administrator of "
        "this site to lift the lock-out."
    )


def duration(seconds: float) -> str:
    """Rounded up to minutes, or to hours if it is one exactly: `12 minutes`, `2 hours`."""
    minutes = max(1, ceil(timedelta(seconds=seconds) / timedelta(minutes=1)))
    hours, rest = divmod(minutes, 60)
    number, unit = (minutes, "minute") if rest else (hours, "hour")
    return f"{number} {unit}{'' if number == 1 else 's'}"
