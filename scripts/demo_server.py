"""gunicorn's configuration for `make run`: the site's own, and how to sign in once it is ready."""

import os
import sys

from config.gunicorn import *  # noqa: F403
from config.gunicorn import bind

loglevel = "warning"


def when_ready(_server: object) -> None:
    """Print URL, users and password in a box, after everything else."""
    lines = [
        f"IP admin demo   http://{bind}",
        "Users           operator, auditor, admin",
        f"Password        {os.environ['DEMO_PASSWORD']}",
        "Stop            Ctrl-C",
    ]
    width = max(len(line) for line in lines)
    edge = f"+{'-' * (width + 4)}+"
    box = [edge, *(f"|  {line:<{width}}  |" for line in lines), edge]
    sys.stdout.write("\n" + "\n".join(box) + "\n\n")
    sys.stdout.flush()
