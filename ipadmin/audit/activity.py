"""Activity: what people did to the site other than attempts, sealed in the hash chain."""

from __future__ import annotations

import getpass
import os
from dataclasses import asdict, dataclass
from typing import Any

from ipadmin.audit import document
from ipadmin.audit.document import Document
from ipadmin.audit.integrity import chain
from ipadmin.models import AuditLink, LinkKind, User

NAME_CHARACTERS = 100
# ECS categories; of everything else it is "configuration".
AUTHENTICATION = {
    *(LinkKind.SIGNED_IN, LinkKind.SIGN_IN_FAILED, LinkKind.SIGNED_OUT, LinkKind.LOCKED_OUT),
    LinkKind.REAUTHENTICATED,
}
ACCOUNTS = {
    *(LinkKind.PERSON_INVITED, LinkKind.PERSON_CHANGED, LinkKind.PERSON_DISABLED),
    *(LinkKind.PERSON_ENABLED, LinkKind.ROLES_CHANGED, LinkKind.PASSWORD_CHANGED),
    *(LinkKind.FACTOR_ADDED, LinkKind.FACTOR_REMOVED, LinkKind.LOCK_LIFTED),
    *(LinkKind.INVITATION_USED, LinkKind.INVITATION_REVOKED, LinkKind.SESSIONS_ENDED),
}
FAILURES = {LinkKind.SIGN_IN_FAILED, LinkKind.LOCKED_OUT}


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did something: a user of the site, a user of the operating system (`command_line`), or
    the provider that a person signs in with.

    `source_ip` and `request_id` are those of the HTTP request.
    """

    user_id: int | None = None
    user_name: str = ""
    command_line: str = ""
    provider: str = ""
    source_ip: str = ""
    request_id: str = ""

    def details(self) -> dict[str, int | str]:
        """What is known of it, as JSON."""
        return {name: value for name, value in asdict(self).items() if value not in (None, "")}


def command_line_actor() -> Actor:
    """The user of the operating system who runs this process."""
    try:
        name = getpass.getuser()[:NAME_CHARACTERS]
    except (KeyError, OSError):
        # A container may know the number only.
        name = str(os.getuid())
    return Actor(command_line=name)


def record(kind: LinkKind, by: Actor, **details: Any) -> AuditLink:
    """Seal that `by` did something. `details` are JSON values without floats; those that a person
    typed are made storable. Raises DatabaseError: call it in the transaction of what was done,
    which is rolled back then."""
    return chain.add_activity(kind, document.storable({"by": by.details(), **details}))


def about(person: User) -> dict[str, object]:
    """Whom an activity is about, in its details."""
    return {"person": person.get_username(), "person_id": person.pk}


def document_of(sequence: int, kind: str, at: str, details: Any) -> Document:
    """The link of an activity as JSON with the field names of ECS. `ip_admin.activity` is what the
    link has sealed."""
    given = details if isinstance(details, dict) else {}
    by = given.get("by")
    actor = by if isinstance(by, dict) else {}
    return {
        "@timestamp": at,
        "ecs": document.ECS,
        "event": {
            "id": f"activity-{sequence}",
            "kind": "event",
            "category": [_category(kind)],
            "action": kind,
            "outcome": "failure" if kind in FAILURES else "success",
            "dataset": "ip_admin.activity",
            "sequence": sequence,
        },
        "user": {
            "id": str(actor.get("user_id", "")),
            "name": actor.get("user_name")
            or actor.get("command_line")
            or actor.get("provider")
            or "",
        },
        "source": {"ip": actor.get("source_ip")},
        "http": {"request": {"id": actor.get("request_id")}},
        "ip_admin": {"activity": details},
    }


def _category(kind: str) -> str:
    if kind in AUTHENTICATION:
        return "authentication"
    return "iam" if kind in ACCOUNTS else "configuration"
