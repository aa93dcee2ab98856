"""A committed migration never changes: a database that has run it does not run it again.

Print the lines of `COMMITTED` with:

    cd ipadmin && sha256sum migrations/0*.py models/triggers.py
"""

from __future__ import annotations

import hashlib

from django.conf import settings

# Add a line for a new migration; never change one. 0003_triggers runs the SQL of triggers.py.
COMMITTED = """
959eab40de65e025fb3bc6ea76c9de030d202340e3eaa3dcd3de436baec6ef1d  migrations/0001_schema.py
d9333beb1a9f6ddcfc44452c1a47238b5361085f7a20c6bc13b8c3f5a25b1f74  migrations/0002_roles.py
a1458e005f3556347bb257fa650ee648197c8f164b67321c824c0c75d1e9069c  migrations/0003_triggers.py
1b1194cb615b280d7c978c7ac2226a8c06791296c42e8b291e2ad7e50d637a96  migrations/0004_inventory.py
b7bb72a7ef409c24451a31e40963805fb08d445b518500c081ec1fdbf3427b4e  migrations/0005_accounts.py
66ff931685c467416e8c75de933091c599d578aaa37af68502a255768b782bee  migrations/0006_actions.py
bdb3085fe83cdee3cd07b92feb4ab819c3f7c5d190dc07ce91d062bd686d69ea  migrations/0007_runs.py
9fd1bc5c83754eb96f2acdf2fd53cdaa42399c147292a9cfbe340eac7b658317  migrations/0008_notifications.py
662faf42ff7a0c6c21adbdd88c07d7ea1923ddb35bfc9cfbd89012a3753c9c19  models/triggers.py
"""
DIGESTS = {name: digest for digest, name in map(str.split, COMMITTED.strip().splitlines())}
IPADMIN = settings.BASE_DIR / "ipadmin"


def test_committed_migrations_are_unchanged() -> None:
    found = {name: hashlib.sha256((IPADMIN / name).read_bytes()).hexdigest() for name in DIGESTS}
    assert found == DIGESTS


def test_every_migration_has_a_digest() -> None:
    names = {f"migrations/{path.name}" for path in IPADMIN.glob("migrations/0*.py")}
    assert names == DIGESTS.keys() - {"models/triggers.py"}
