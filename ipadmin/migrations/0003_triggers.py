"""The rules that the database itself keeps; the SQL is in `ipadmin/models/triggers.py`."""

from django.db import migrations

from ipadmin.models import triggers


class Migration(migrations.Migration):
    dependencies = [("ipadmin", "0002_roles")]
    operations = [
        migrations.RunPython(triggers.compare_by_bytes, migrations.RunPython.noop),
        migrations.RunPython(triggers.protect, triggers.unprotect),
    ]
