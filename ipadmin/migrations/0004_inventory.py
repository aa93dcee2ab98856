"""What the list of addresses keeps, what a token may do, and the words of reasons."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def compare_by_bytes(_apps: object, editor: BaseDatabaseSchemaEditor) -> None:
    """So that the beginning of a word is a range of the index; see `models/triggers.py`."""
    if editor.connection.vendor == "postgresql":
        editor.execute(
            'ALTER TABLE ipadmin_auditreasonword ALTER COLUMN word TYPE varchar(40) COLLATE "C"'
        )


class Migration(migrations.Migration):
    dependencies = [
        ("ipadmin", "0003_triggers"),
    ]

    operations = [
        migrations.CreateModel(
            name="InventorySnapshot",
            fields=[
                (
                    "token",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="snapshot",
                        serialize=False,
                        to="ipadmin.apitoken",
                    ),
                ),
                ("read_at", models.DateTimeField()),
                ("total", models.PositiveIntegerField(null=True)),
                ("is_complete", models.BooleanField()),
                ("address_count", models.PositiveIntegerField(default=0)),
                ("allocated_count", models.PositiveIntegerField(default=0)),
                ("content", models.BinaryField()),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.AddField(
            model_name="apitoken",
            name="can_list_machines",
            field=models.BooleanField(null=True),
        ),
        migrations.AddField(
            model_name="apitoken",
            name="can_unallocate",
            field=models.BooleanField(null=True),
        ),
        migrations.AlterField(
            model_name="auditlink",
            name="kind",
            field=models.CharField(
                choices=[
                    ("opened", "Attempt opened"),
                    ("finished", "Attempt finished"),
                    ("export_started", "Export started"),
                    ("export_finished", "Export finished"),
                    ("verified", "Verified"),
                    ("checkpoint_created", "Checkpoint created"),
                    ("pruned", "Pruned"),
                    ("read_later", "Read as unallocated"),
                    ("acknowledged", "Failed verification acknowledged"),
                ],
                max_length=20,
            ),
        ),
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
