"""The state of an address now, compared with what the history knows of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db.models import F, Q
from django.utils import timezone

from ipadmin.audit.search.observations import GONE, Change, Holding, Observation, Source, changes
from ipadmin.katapult.types import IPAddress
from ipadmin.models import ApiToken, AuditEntry, User
from ipadmin.models.search_keys import address_key
from ipadmin.services import inventory


@dataclass(frozen=True, slots=True)
class LiveState:
    """An address read now, and what happened to it since the newest entry, unseen."""

    ip: IPAddress
    observation: Observation
    changes: list[Change]


def token_for(user: User, entry: AuditEntry | None) -> ApiToken | None:
    """The user's token to look an address up with: of its entry's organization, used last."""
    own = user.api_tokens.ready().order_by(F("used_at").desc(nulls_last=True), "-created_at")
    if entry is None:
        return own.first()
    names = ("organization_id", "organization_sub_domain")
    known = [(name, value) for name in names if (value := getattr(entry, name))]
    if entry.api_url != settings.KATAPULT_API_URL or not known:
        return None
    return own.filter(Q(*known, _connector=Q.OR)).first()


def look_up(entries: Sequence[AuditEntry], token: ApiToken) -> LiveState:
    """Read the address of these entries, its newest, now. Raises what `inventory.find` raises."""
    latest = entries[0]
    ip = inventory.find(token, id=latest.address_id)
    is_it = address_key(ip.address) == latest.address_key
    holding = Holding(ip.allocation) if is_it else GONE
    now = Observation(timezone.now(), holding, Source.READ, latest.address_id)
    since = [each for each in changes(entries, now) if each.after is now]
    return LiveState(ip, now, since)
