"""`make bench`: what our part of each page costs, beside the API calls it waits for.

Everything runs in one process on one machine: the site through Django's test client (the whole
middleware, a real database file with its real commits), the sandbox as a process of its own
without added latency. Figures are medians; look at the ratios, machines differ.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.bench.stage import TOKEN, free_port, wait_for


def main() -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port = free_port()
        command = [sys.executable, "-m", "ipadmin.sandbox", "--port", str(port), "--token", TOKEN]
        command += ["--addresses", "800", "--rate-limit", "1000000000"]
        sandbox = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        stack.callback(sandbox.wait)
        stack.callback(sandbox.terminate)
        url = f"http://127.0.0.1:{port}"
        wait_for(f"{url}/_sandbox/health")
        os.environ.update(
            {
                "DJANGO_SETTINGS_MODULE": "config.settings",
                "ENV_FILE": os.devnull,
                "SECRET_KEY": "only-for-measuring-0123456789-abcdefghijklmnopqrstuvwxyz",
                "TOKEN_ENCRYPTION_KEYS": "b25seS1mb3ItbWVhc3VyaW5nLTAxMjM0NTY3ODktYWI=",
                "AUDIT_KEYS": "c2VhbHMtb25seS1rZXktc2VhbHMtb25seS1rZXktMDE=",
                "ALLOWED_HOSTS": "testserver",
                "KATAPULT_API_URL": url,
            }
        )
        os.environ.setdefault("DATABASE_URL", f"sqlite:///{folder / 'bench.sqlite3'}")
        from tests.bench import click  # noqa: PLC0415 - settings are read on import

        click.run(url)


if __name__ == "__main__":
    main()
