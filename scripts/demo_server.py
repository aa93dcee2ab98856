"""gunicorn's configuration for `make run`: the site's own, and a word when it is ready."""

import sys
from typing import Any

from config.gunicorn import *  # noqa: F403
from config.gunicorn import bind

loglevel = "warning"


def when_ready(_server: Any) -> None:
    sys.stdout.write(f"\nReady: http://{bind} (Ctrl-C stops everything)\n\n")
    sys.stdout.flush()
