"""Actors: who did something to the site. `integrity/chain.py` adds activity to the hash chain."""

from __future__ import annotations

import getpass
import os
from dataclasses import asdict, dataclass

NAME_CHARACTERS = 100


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
