"""Actions: entries of other changes than unallocating, links between entries, and format 2 of their
documents. Entries written before keep format 1, in which they were sealed."""

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import F, Sum, Value
from django.db.models.functions import Concat

from ipadmin.models import triggers

SEPARATOR = "\x1f"
ACTION = "unallocate"


def count_by_action(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    """Count the finished entries by action, too. All of them were of one action."""
    using = editor.connection.alias
    counters, values = (
        apps.get_model("ipadmin", name).objects.using(using)
        for name in ("AuditCounter", "AuditValueCounter")
    )
    action = Value(SEPARATOR + ACTION)
    counters.filter(facet="actor").update(value=Concat(F("value"), action))
    values.filter(field="actor").update(value=Concat(F("value"), action))
    total = counters.filter(facet="all").values().iterator()
    by_action = ({**row, "id": None, "facet": "action", "value": ACTION} for row in total)
    counters.bulk_create((counters.model(**row) for row in by_action), batch_size=1000)
    finished = values.filter(field="outcome").aggregate(sum=Sum("attempts"))["sum"]
    if finished:
        values.create(field="action", value=ACTION, attempts=finished)


class Migration(migrations.Migration):
    dependencies = [("ipadmin", "0005_accounts")]

    operations = [
        # SQLite makes the table again for a new column, and deletes the old one.
        migrations.RunPython(triggers.unprotect, triggers.protect),
        migrations.AddField(
            model_name="auditentry",
            name="format",
            field=models.PositiveSmallIntegerField(default=1),
        ),
        migrations.AlterField(
            model_name="auditentry",
            name="format",
            field=models.PositiveSmallIntegerField(default=2),
        ),
        migrations.AlterField(
            model_name="auditentry",
            name="action",
            field=models.CharField(
                choices=[
                    ("unallocate", "Unallocate"),
                    ("allocate", "Allocate"),
                    ("set_reverse_dns", "Set reverse DNS"),
                ],
                default="unallocate",
                max_length=20,
            ),
        ),
        migrations.AddField(
            model_name="auditentry",
            name="last_of_family",
            field=models.BooleanField(null=True),
        ),
        migrations.AddField(
            model_name="auditentry",
            name="requested_reverse_dns",
            field=models.CharField(blank=True, max_length=1000),
        ),
        migrations.AddField(
            model_name="auditentry",
            name="run_id",
            field=models.UUIDField(null=True),
        ),
        migrations.AddField(
            model_name="auditentry",
            name="undoes",
            field=models.UUIDField(null=True),
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(fields=["action", "created_at", "id"], name="audit_by_action"),
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(
                condition=models.Q(("run_id__isnull", False)),
                fields=["run_id", "created_at", "id"],
                name="audit_by_run",
            ),
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(
                condition=models.Q(("undoes__isnull", False)),
                fields=["undoes"],
                name="audit_undoes",
            ),
        ),
        migrations.RunPython(triggers.protect, triggers.unprotect),
        migrations.AlterField(
            model_name="auditcounter",
            name="facet",
            field=models.CharField(
                choices=[
                    ("all", "All"),
                    ("person", "Person"),
                    ("token", "Token"),
                    ("organization", "Organization"),
                    ("environment", "Environment"),
                    ("action", "Action"),
                    ("actor", "Actor"),
                ],
                max_length=12,
            ),
        ),
        migrations.RunPython(count_by_action, migrations.RunPython.noop),
    ]
