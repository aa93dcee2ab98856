from __future__ import annotations

import getpass
import os


def person() -> str:
    """Who runs a command, as the operating system knows them."""
    try:
        return getpass.getuser()[:100]
    except (KeyError, OSError):
        # In a container it may know a number only.
        return str(os.getuid())
