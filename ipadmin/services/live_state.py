"""The state of an address now, compared with its last entry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import F, Q
from django.utils import timezone

from ipadmin.audit.search.observations import Change, Holding, Observation, Source, changes
from ipadmin.katapult.types import IPAddress
from ipadmin.models import ApiToken, AuditEntry, User
from ipadmin.services import inventory


@dataclass(frozen=True, slots=True)
class LiveState:
    """An address read now, and its changes since the newest entry that no entry explains.
    `is_listed`: whether the organization's list has it; None if the list can't be read."""

    ip: IPAddress
    read_at: datetime
    is_listed: bool | None
    changes: list[Change]


def token_for(user: User, entry: AuditEntry | None, address: str = "") -> ApiToken | None:
    """The user's token for reading an address: the last used one for the organization of its newest
    entry; without an entry, one whose list has the address, else the last used one. None for an
    entry of another API or organization."""
    own = user.api_tokens.ready().order_by(F("used_at").desc(nulls_last=True), "-created_at")
    if entry is None:
        tokens = list(own)
        lists = ((each, inventory.stored(each)) for each in tokens)
        listing = (each for each, known in lists if known and address in known.positions)
        return next(listing, tokens[0] if tokens else None)
    names = ("organization_id", "organization_sub_domain")
    known = [(name, value) for name in names if (value := getattr(entry, name))]
    if entry.api_url != settings.KATAPULT_API_URL or not known:
        return None
    return own.filter(Q(*known, _connector=Q.OR)).first()


def address_called(token: ApiToken, id: str) -> str:
    """The text of the address with an ID: from the list, or read now. Raises as `look_up`."""
    known = inventory.stored(token)
    listed = known.by_id.get(id) if known else None
    return (listed or inventory.find(token, id=id)).address


def look_up(token: ApiToken, address: str, entries: Sequence[AuditEntry]) -> LiveState:
    """Read an address. `entries` are its newest, newest first. Raises the same errors as
    `inventory.find`."""
    ip = inventory.find(token, address=address)
    now = Observation(timezone.now(), Holding(ip.allocation), Source.READ, ip.id)
    same = [each for each in entries if each.address_id == ip.id]
    since = [each for each in changes(same, now) if each.after is now]
    return LiveState(ip, now.at, _is_listed(token, ip.id), since)


def _is_listed(token: ApiToken, address_id: str) -> bool | None:
    known = inventory.stored(token)
    if known and (address_id in known.by_id or inventory.is_fresh(known)):
        return address_id in known.by_id
    try:
        return address_id in inventory.read(token).by_id
    except inventory.CANNOT_READ:
        return None
