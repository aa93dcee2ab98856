"""Activity: what people did to the site other than attempts. Each is a link of the hash chain."""

from __future__ import annotations

import getpass
import os
from dataclasses import dataclass
from typing import Any, TypedDict

from django.db import transaction

from ipadmin.audit.integrity import chain
from ipadmin.models import AuditLink, LinkKind

NAME_CHARACTERS = 100


class ActorDetails(TypedDict, total=False):
    """An actor in the details of a link."""

    user_id: int
    user_name: str
    command_line: str
    source_ip: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did something: a user of the site, or a user of the operating system (`command_line`).

    `source_ip` and `request_id` are those of the HTTP request.
    """

    user_id: int | None = None
    user_name: str = ""
    command_line: str = ""
    source_ip: str = ""
    request_id: str = ""

    def details(self) -> ActorDetails:
        details = ActorDetails()
        if self.command_line:
            details["command_line"] = self.command_line
        if self.user_name:
            details["user_name"] = self.user_name
        if self.user_id is not None:
            details["user_id"] = self.user_id
        if self.source_ip:
            details["source_ip"] = self.source_ip
        if self.request_id:
            details["request_id"] = self.request_id
        return details


def command_line_actor() -> Actor:
    """The user of the operating system who runs this process."""
    try:
        name = getpass.getuser()[:NAME_CHARACTERS]
    except (KeyError, OSError):
        # A container may know the number only.
        name = str(os.getuid())
    return Actor(command_line=name)


def add(kind: LinkKind, by: Actor | None, details: dict[str, Any]) -> AuditLink:
    """Add an activity to the hash chain, in a transaction.

    `details` hold JSON types without floats. `by` is None for what the site did by itself.
    """
    with transaction.atomic():
        return chain.add_activity(kind, {"by": by.details(), **details} if by else details)
