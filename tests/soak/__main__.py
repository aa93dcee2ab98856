"""`make soak`: the site under faults, crashes and load, compared with the sandbox's own log.

    python -m tests.soak --seed 1 --attempts 2000 --kills 15 --db sqlite

The sandbox answers with every kind of fault. The site runs on gunicorn with two processes and its
worker. Operators unallocate and undo with the real forms, on shared addresses, make runs and decide
on those of others, while processes are killed and started again. Then the sandbox's log of calls
and its world are compared with the audit log (`compare.py`, `compare_runs.py`).
The last line has the number of attempts, kills and differences; any difference is a failure.

The same seed makes the same world, faults and choices of operators, but not the same timing, so two
runs differ. `environment.py` has the timeouts, and the reasons for them.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from tests.soak.environment import Database, environment
from tests.soak.processes import free_port


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--attempts", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--operators", type=int, default=8)
    parser.add_argument("--db", choices=("sqlite", "postgresql"), default="sqlite")
    options = parser.parse_args()
    # SystemExit runs the `finally` blocks, which end all processes.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    database = Database(options.db, folder)
    differences = 1
    try:
        port = free_port()
        env = environment(f"http://127.0.0.1:{port}", database.url)
        os.environ.update(env)
        differences = _soak(options, env, folder, port)
    finally:
        database.drop()
        if differences == 0:
            shutil.rmtree(folder)
    return 1 if differences else 0


def _soak(options: argparse.Namespace, env: dict[str, str], folder: Path, port: int) -> int:
    import django  # noqa: PLC0415 - reads the environment made above

    django.setup()
    from tests.soak.soak import soak  # noqa: PLC0415 - needs Django set up

    return soak(
        env,
        folder,
        sandbox_port=port,
        seed=options.seed,
        attempts=options.attempts,
        kills=options.kills,
        operators=options.operators,
    )


if __name__ == "__main__":
    sys.exit(main())
