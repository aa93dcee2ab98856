"""What is recorded in the audit log about tokens."""

from __future__ import annotations

from typing import Any

from ipadmin.audit import activity
from ipadmin.audit.activity import Actor
from ipadmin.models import ApiToken, LinkKind


def record(kind: LinkKind, token: ApiToken, by: Actor | None, **details: Any) -> None:
    """In the transaction of the change. `by` is the owner of the token where it is not given."""
    owner = token.owner
    activity.record(
        kind,
        by or Actor(user_id=owner.pk, user_name=owner.get_username()),
        token_id=str(token.pk),
        token_label=token.label,
        token_fingerprint=token.fingerprint,
        organization=token.organization_title,
        **details,
    )
