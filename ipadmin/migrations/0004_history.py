"""What the history is searched by, counted in, sealed with and streamed from."""

from importlib import import_module

import django.utils.timezone
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from ipadmin.keys import address_key, folded

# SQLite makes the table anew for a new column, and loses its triggers: 0005 makes them again.
protection = import_module("ipadmin.migrations.0003_finished_means_finished")
CHUNK = 1000


def fill_keys(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    entries = apps.get_model("ipadmin", "AuditEntry").objects.using(editor.connection.alias)
    some = []
    for entry in entries.order_by("id").iterator(CHUNK):
        entry.address_key = address_key(entry.address)
        organization = entry.organization_id or entry.organization_sub_domain
        entry.organization_key = folded(organization)
        entry.allocation_id_key = folded(entry.allocation_id)
        entry.allocation_name_key = folded(entry.allocation_name)
        entry.reverse_dns_key = folded(entry.reverse_dns)
        entry.user_name_key = folded(entry.user_name)
        some.append(entry)
        if len(some) == CHUNK:
            entries.bulk_update(some, KEYS, batch_size=100)
            some = []
    entries.bulk_update(some, KEYS, batch_size=100)


def compare_bytes(_apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    """What begins with a text is found by a range only where texts sort by their bytes, as they do
    on SQLite; PostgreSQL sorts by the language of its database."""
    if editor.connection.vendor != "postgresql":
        return
    for table, column, length in (
        ("ipadmin_auditterm", "value", 600),
        ("ipadmin_auditentry", "address_key", 33),
        ("ipadmin_auditentry", "allocation_name_key", 200),
        ("ipadmin_auditentry", "reverse_dns_key", 200),
        ("ipadmin_auditentry", "user_name_key", 200),
    ):
        editor.execute(
            f'ALTER TABLE {table} ALTER COLUMN {column} TYPE varchar({length}) COLLATE "C"'
        )


KEYS = [
    "address_key",
    "organization_key",
    "allocation_id_key",
    "allocation_name_key",
    "reverse_dns_key",
    "user_name_key",
]


class Migration(migrations.Migration):
    dependencies = [
        ("ipadmin", "0003_finished_means_finished"),
    ]

    operations = [
        migrations.RunPython(protection.unprotect, protection.protect),
        migrations.CreateModel(
            name="AuditHead",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("sequence", models.BigIntegerField(default=0)),
                ("mac", models.BinaryField(default=b"", max_length=32)),
                ("pruning_before", models.DateTimeField(null=True)),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="AuditSeal",
            fields=[
                ("sequence", models.BigIntegerField(primary_key=True, serialize=False)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("opened", "Attempt opened"),
                            ("finished", "Attempt finished"),
                            ("adopted", "Earlier entry sealed"),
                            ("export_started", "Export started"),
                            ("export_finished", "Export finished"),
                            ("verified", "Verified"),
                            ("head_taken", "Head taken"),
                            ("pruned", "Pruned"),
                        ],
                        max_length=16,
                    ),
                ),
                ("attempt_id", models.UUIDField(null=True)),
                ("at", models.DateTimeField()),
                ("digest", models.BinaryField(max_length=32)),
                ("details", models.JSONField(null=True)),
                ("key_id", models.CharField(max_length=8)),
                ("mac", models.BinaryField(max_length=32)),
            ],
            options={
                "ordering": ["sequence"],
                "default_permissions": ("view",),
            },
        ),
        migrations.CreateModel(
            name="AuditStream",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("target", models.CharField(max_length=300, unique=True)),
                ("sequence", models.BigIntegerField(default=0)),
                ("taken_at", models.DateTimeField(null=True)),
                ("failing_since", models.DateTimeField(null=True)),
                ("error", models.CharField(blank=True, max_length=300)),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="AuditTally",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "facet",
                    models.CharField(
                        choices=[
                            ("all", "All"),
                            ("person", "Person"),
                            ("token", "Token"),
                            ("organization", "Organization"),
                            ("environment", "Environment"),
                            ("actor", "Actor"),
                        ],
                        max_length=12,
                    ),
                ),
                ("value", models.CharField(blank=True, max_length=600)),
                (
                    "span",
                    models.CharField(choices=[("day", "Day"), ("month", "Month")], max_length=5),
                ),
                ("since", models.DateField()),
                ("outcome", models.CharField(max_length=10)),
                ("error_code", models.CharField(blank=True, max_length=100)),
                ("attempts", models.BigIntegerField()),
                ("timed", models.BigIntegerField()),
                ("log_seconds", models.FloatField()),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="AuditTerm",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("field", models.CharField(max_length=30)),
                ("value", models.CharField(max_length=600)),
                ("label", models.CharField(blank=True, max_length=200)),
                ("attempts", models.BigIntegerField()),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="AuditVerification",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("user_name", models.CharField(max_length=150)),
                ("requested_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("head", models.CharField(blank=True, max_length=100)),
                ("total", models.BigIntegerField(default=0)),
                ("sequence", models.BigIntegerField(default=0)),
                ("state", models.JSONField(default=dict)),
                ("finished_at", models.DateTimeField(null=True)),
                ("finding", models.CharField(blank=True, max_length=500)),
                ("mac", models.BinaryField(default=b"", max_length=32)),
            ],
            options={
                "ordering": ["-requested_at"],
                "default_permissions": (),
            },
        ),
        migrations.AlterModelOptions(
            name="auditentry",
            options={
                "default_permissions": ("view",),
                "ordering": ["-created_at", "-id"],
                "verbose_name_plural": "audit entries",
            },
        ),
        migrations.RemoveIndex(
            model_name="auditentry",
            name="audit_created",
        ),
        migrations.RemoveIndex(
            model_name="auditentry",
            name="audit_address",
        ),
        migrations.RemoveIndex(
            model_name="auditentry",
            name="audit_address_id",
        ),
        migrations.RemoveIndex(
            model_name="auditentry",
            name="audit_user",
        ),
        migrations.RemoveIndex(
            model_name="auditentry",
            name="audit_token",
        ),
        migrations.RemoveIndex(
            model_name="auditentry",
            name="audit_outcome",
        ),
        migrations.AddField(
            model_name="auditentry",
            name="address_key",
            field=models.CharField(blank=True, editable=False, max_length=33),
        ),
        migrations.AddField(
            model_name="auditentry",
            name="allocation_id_key",
            field=models.CharField(blank=True, editable=False, max_length=200),
        ),
        migrations.AddField(
            model_name="auditentry",
            name="allocation_name_key",
            field=models.CharField(blank=True, editable=False, max_length=200),
        ),
        migrations.AddField(
            model_name="auditentry",
            name="organization_key",
            field=models.CharField(blank=True, editable=False, max_length=200),
        ),
        migrations.AddField(
            model_name="auditentry",
            name="reverse_dns_key",
            field=models.CharField(blank=True, editable=False, max_length=200),
        ),
        migrations.AddField(
            model_name="auditentry",
            name="user_name_key",
            field=models.CharField(blank=True, editable=False, max_length=200),
        ),
        migrations.RunPython(compare_bytes, migrations.RunPython.noop),
        migrations.RunPython(fill_keys, migrations.RunPython.noop),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(fields=["created_at", "id"], name="audit_created"),
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(fields=["user_name_key", "created_at", "id"], name="audit_by_user"),
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(fields=["token_id", "created_at", "id"], name="audit_by_token"),
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(
                fields=["organization_key", "created_at", "id"], name="audit_by_organization"
            ),
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(
                fields=["environment", "created_at", "id"], name="audit_by_environment"
            ),
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(fields=["outcome", "created_at", "id"], name="audit_by_outcome"),
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(fields=["error_code", "created_at", "id"], name="audit_by_error"),
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(fields=["address_key", "created_at", "id"], name="audit_by_address"),
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(
                fields=["address_id", "created_at", "id"], name="audit_by_address_id"
            ),
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(
                fields=["allocation_id_key", "created_at", "id"], name="audit_by_allocation"
            ),
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(
                fields=["allocation_name_key", "created_at", "id"], name="audit_by_machine"
            ),
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(
                fields=["reverse_dns_key", "created_at", "id"], name="audit_by_host"
            ),
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(fields=["request_id", "created_at", "id"], name="audit_by_request"),
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(
                fields=["katapult_request_id", "created_at", "id"], name="audit_by_katapult_request"
            ),
        ),
        migrations.AddIndex(
            model_name="auditseal",
            index=models.Index(
                condition=models.Q(("attempt_id__isnull", False)),
                fields=["attempt_id"],
                name="seal_attempt",
            ),
        ),
        migrations.AddIndex(
            model_name="auditseal",
            index=models.Index(
                condition=models.Q(("attempt_id__isnull", True)),
                fields=["sequence"],
                name="seal_act",
            ),
        ),
        migrations.AddIndex(
            model_name="auditseal",
            index=models.Index(
                condition=models.Q(("attempt_id__isnull", True)),
                fields=["kind", "sequence"],
                name="seal_act_kind",
            ),
        ),
        migrations.AddConstraint(
            model_name="audittally",
            constraint=models.UniqueConstraint(
                fields=("facet", "value", "span", "since", "outcome", "error_code"),
                name="tally_of_one",
            ),
        ),
        migrations.AddConstraint(
            model_name="auditterm",
            constraint=models.UniqueConstraint(fields=("field", "value"), name="term_of_field"),
        ),
    ]
