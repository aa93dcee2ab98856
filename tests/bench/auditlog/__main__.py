"""`python -m tests.bench.auditlog --count 1000000`: fill a database and put the questions.

The database is that of DATABASE_URL (`scripts/with_postgres` gives one), or a SQLite file that is
gone afterwards. One that is filled already, with as many entries, is taken as it is.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from tests.bench.stage import ENVIRONMENT


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.bench.auditlog")
    parser.add_argument("--count", type=int, default=20_000, help="entries to be asked about")
    parser.add_argument("--ours", action="store_true", help="ask our own history as well")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(ENVIRONMENT)
        os.environ["DJANGO_SETTINGS_MODULE"] = "tests.bench.auditlog.settings"
        os.environ.setdefault("DATABASE_URL", f"sqlite:///{Path(folder) / 'bench.sqlite3'}")
        from tests.bench import questions  # noqa: PLC0415 - settings are read on import
        from tests.bench.ours import paths  # noqa: PLC0415

        questions.run(given.count, paths if given.ours else None)


if __name__ == "__main__":
    main()
