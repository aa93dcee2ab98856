"""The words of reasons."""

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

TABLE = "ipadmin_auditreasonword"


def compare_by_bytes(_apps: object, editor: BaseDatabaseSchemaEditor) -> None:
    """So that the beginning of a word is a range of the index; see `models/triggers.py`."""
    if editor.connection.vendor == "postgresql":
        editor.execute(f'ALTER TABLE {TABLE} ALTER COLUMN word TYPE varchar(40) COLLATE "C"')


class Migration(migrations.Migration):
    dependencies = [("ipadmin", "0004_inventory_snapshot")]
    operations = [
        migrations.CreateModel(
            name="AuditReasonWord",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "entry_id",
                        "word",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("entry_id", models.BigIntegerField()),
                ("word", models.CharField(max_length=40)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "default_permissions": (),
                "indexes": [
                    models.Index(
                        fields=["word", "created_at", "entry_id"], name="audit_reason_words"
                    )
                ],
            },
        ),
        migrations.RunPython(compare_by_bytes, migrations.RunPython.noop),
    ]
