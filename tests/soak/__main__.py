"""`make soak`: the site under faults, crashes and operators, compared with what really happened.

    python -m tests.soak --seed 1 --attempts 2000 --kills 15 --db sqlite

The sandbox answers with every kind of fault; the site runs on gunicorn with two processes, with
its worker; operators click through the real forms on shared addresses, while web and worker are
killed and started again. Then the sandbox's ledger and world are compared with the audit history
(`compare.py`). The last line says attempts, kills and differences; any difference is a failure.

The same seed makes the same world, faults and intentions. When exactly something dies or is
answered is up to the machine, so two runs are never the same. `environment.py` has the timings,
and why what the product promises must hold under them.
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
    # However it ends, nothing of it is left running.
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
