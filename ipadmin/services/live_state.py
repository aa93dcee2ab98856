"""The state of an address now, compared with its last entry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db.models import F, Q
from django.utils import timezone

from ipadmin.audit.search.observations import GONE, Change, Holding, How, Observation, changes
from ipadmin.katapult.types import IPAddress
from ipadmin.models import ApiToken, AuditEntry, User
from ipadmin.models.search_keys import address_key
from ipadmin.services import inventory


@dataclass(frozen=True, slots=True)
class LiveState:
    """An address read now, and its changes since the newest entry that no entry explains."""

    ip: IPAddress
    observation: Observation
    changes: list[Change]


def token_for(user: User, entry: AuditEntry | None) -> ApiToken | None:
    """The user's token for reading the address of an entry: the last used one for the entry's
    organization. None for an entry of another API."""
    own = user.api_tokens.ready().order_by(F("used_at").desc(nulls_last=True), "-created_at")
    if entry is None:
        return own.first()
    names = ("organization_id", "organization_sub_domain")
    known = [(name, value) for name in names if (value := getattr(entry, name))]
    if entry.api_url != settings.KATAPULT_API_URL or not known:
        return None
    return own.filter(Q(*known, _connector=Q.OR)).first()


def look_up(entries: Sequence[AuditEntry], token: ApiToken) -> LiveState:
    """Read the address of these entries, which are sorted newest first. Raises the same errors as
    `inventory.find`."""
    latest = entries[0]
    ip = inventory.find(token, id=latest.address_id)
    is_it = address_key(ip.address) == latest.address_key
    holding = Holding(ip.allocation) if is_it else GONE
    now = Observation(timezone.now(), holding, How.READ, latest.address_id)
    since = [each for each in changes(entries, now) if each.after is now]
    return LiveState(ip, now, since)
