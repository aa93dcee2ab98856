"""The README's pictures: `make screenshots` starts the site on a fresh database and takes them."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import django

from ipadmin.sandbox import Sandbox

DOCS = Path(__file__).resolve().parents[2] / "docs"
TOKEN = "sandbox-token"
# Nothing of a real configuration gets into a picture.
ENVIRONMENT = {
    "ENV_FILE": "/dev/null",
    "SECRET_KEY": "a-key-for-pictures-only-that-is-long-enough-for-every-check-01234567",
    "TOKEN_ENCRYPTION_KEYS": "cGljdHVyZXMtb25seS1rZXktcGljdHVyZXMtb25seSE=",
    "AUDIT_KEYS": "c2VhbHMtb25seS1rZXktc2VhbHMtb25seS1rZXktMDE=",
    "ALLOWED_HOSTS": "localhost,127.0.0.1",
    "DEBUG": "false",
    "STATIC_HASHED": "false",
    "DJANGO_SETTINGS_MODULE": "config.settings",
    "DJANGO_ALLOW_ASYNC_UNSAFE": "true",
}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, Sandbox(token=TOKEN, addresses=120) as box:
        os.environ |= ENVIRONMENT | {
            "KATAPULT_API_URL": box.url,
            "DATABASE_URL": f"sqlite:///{folder}/db.sqlite3",
            "STATIC_ROOT": f"{folder}/static",
        }
        django.setup()
        # Models are there only now.
        from tests.browser import pictures  # noqa: PLC0415

        pictures.take(box, DOCS)
    for picture in sorted(DOCS.glob("*.png")):
        sys.stdout.write(
            f"{picture.relative_to(DOCS.parent)} {picture.stat().st_size // 1024} kB\n"
        )


if __name__ == "__main__":
    main()
