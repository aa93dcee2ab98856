"""Accounts: sessions, invitations, the cache, tokens through OAuth2, and what activity there is.

User names become ASCII, unique in any case, and final: a trigger refuses to change one. The history
is searched by the account, not by its name.
"""

from collections import defaultdict
from datetime import UTC
from typing import Any

import django.contrib.auth.validators
import django.db.models.deletion
import django.db.models.functions.text
import django.utils.timezone
from django.apps.registry import Apps
from django.conf import settings
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import Count, Max, Q, Sum, Value
from django.db.models.functions import Coalesce, Greatest, Ln, TruncDate

WHY = "a user name never changes"
SEPARATOR = "\x1f"
POSTGRESQL = f"""
    CREATE FUNCTION user_name_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '{WHY}' USING ERRCODE = 'integrity_constraint_violation';
    END
    $$;
    CREATE TRIGGER user_name_final BEFORE UPDATE ON ipadmin_user FOR EACH ROW
        WHEN (OLD.username IS DISTINCT FROM NEW.username) EXECUTE FUNCTION user_name_refuse()
"""
SQLITE = f"""
    CREATE TRIGGER user_name_final BEFORE UPDATE ON ipadmin_user
        WHEN OLD.username IS NOT NEW.username BEGIN SELECT RAISE(ABORT, '{WHY}'); END
"""


def refuse_same_names(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    """Names that differ in case only would break the constraint with a message that names none."""
    users = apps.get_model("ipadmin", "User").objects.using(editor.connection.alias)
    seen: dict[str, str] = {}
    for name in users.order_by("pk").values_list("username", flat=True):
        other = seen.setdefault(name.lower(), name)
        if other != name:
            raise RuntimeError(
                f"The user names {other!r} and {name!r} differ in case only. Rename one of them"
                " with the previous version before this migration."
            )


def count_by_account(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    """Count the finished entries of people by their accounts instead of their names."""
    using = editor.connection.alias
    counters, values, entries = (
        apps.get_model("ipadmin", name).objects.using(using)
        for name in ("AuditCounter", "AuditValueCounter", "AuditEntry")
    )
    counters.filter(facet__in=["person", "actor"]).delete()
    values.filter(field__in=["user_name_key", "actor"]).delete()
    seconds = Greatest("duration_us", Value(1)) / Value(1_000_000.0)
    actor = ("user_id", "token_id", "organization_key", "environment")
    totals = (
        entries.filter(finished_at__isnull=False)
        .order_by()
        .annotate(day=TruncDate("created_at", tzinfo=UTC))
        .values_list(*actor, "day", "outcome", "error_code")
        .annotate(
            count=Count("id"),
            timed=Count("duration_us"),
            log_seconds=Coalesce(Sum(Ln(seconds), filter=Q(duration_us__isnull=False)), 0.0),
        )
    )
    sums: dict[tuple[Any, ...], list[float]] = defaultdict(lambda: [0, 0, 0.0])
    attempts: dict[tuple[str, str], int] = defaultdict(int)
    for *of, day, outcome, error_code, count, timed, log_seconds in totals.iterator():
        combined = SEPARATOR.join(str(each).replace(SEPARATOR, " ") for each in of)
        for facet, field, value in (
            ("person", "user_id", str(of[0])),
            ("actor", "actor", combined),
        ):
            attempts[field, value] += count
            for span, since in (("day", day), ("month", day.replace(day=1))):
                added = sums[facet, value, span, since, outcome, error_code]
                for number, each in enumerate((count, timed, log_seconds)):
                    added[number] += each
    columns = [
        *("facet", "value", "span", "since", "outcome", "error_code"),
        *("attempts", "timed", "log_seconds"),
    ]
    rows = (dict(zip(columns, (*key, *sum), strict=True)) for key, sum in sums.items())
    counters.bulk_create((counters.model(**row) for row in rows), batch_size=1000)
    newest = entries.order_by().values("user_id").annotate(newest=Max("id")).values("newest")
    names = dict(entries.filter(id__in=newest).values_list("user_id", "user_name"))
    values.bulk_create(
        (
            values.model(
                field=field,
                value=value,
                label=names.get(int(value), "") if field == "user_id" else "",
                attempts=count,
            )
            for (field, value), count in attempts.items()
        ),
        batch_size=1000,
    )


def protect_names(_apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    editor.execute(SQLITE if editor.connection.vendor == "sqlite" else POSTGRESQL, params=None)


def unprotect_names(_apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    if editor.connection.vendor == "postgresql":
        editor.execute("DROP FUNCTION IF EXISTS user_name_refuse CASCADE", params=None)
    else:
        editor.execute("DROP TRIGGER IF EXISTS user_name_final", params=None)


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("ipadmin", "0004_inventory"),
    ]

    operations = [
        migrations.RunPython(refuse_same_names, migrations.RunPython.noop),
        migrations.CreateModel(
            name="CacheEntry",
            fields=[
                ("cache_key", models.CharField(max_length=255, primary_key=True, serialize=False)),
                ("value", models.TextField()),
                ("expires", models.DateTimeField(db_index=True)),
            ],
            options={
                "db_table": "ipadmin_cache",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="Invitation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "purpose",
                    models.CharField(
                        choices=[("join", "Join"), ("reset", "Reset access")], max_length=10
                    ),
                ),
                ("digest", models.CharField(max_length=64, unique=True)),
                ("created_by", models.CharField(blank=True, max_length=150)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("expires_at", models.DateTimeField()),
                ("used_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ["-created_at"],
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="Session",
            fields=[
                ("session_data", models.TextField(verbose_name="session data")),
                ("expire_date", models.DateTimeField(db_index=True, verbose_name="expire date")),
                ("session_key", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("source_ip", models.GenericIPAddressField(null=True)),
                ("user_agent", models.CharField(blank=True, max_length=300)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("last_seen_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "ordering": ["-last_seen_at"],
                "default_permissions": (),
            },
        ),
        migrations.AddField(
            model_name="apitoken",
            name="encrypted_refresh_token",
            field=models.BinaryField(null=True),
        ),
        migrations.AddField(
            model_name="apitoken",
            name="expires_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="apitoken",
            name="granted_scopes",
            field=models.JSONField(default=list),
        ),
        migrations.AddField(
            model_name="user",
            name="must_change_password",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="user",
            name="second_factor_required_at",
            field=models.DateTimeField(blank=True, null=True),
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
                    ("signed_in", "Signed in"),
                    ("sign_in_failed", "Sign-in failed"),
                    ("signed_out", "Signed out"),
                    ("locked_out", "Locked out"),
                    ("lock_lifted", "Lock-out lifted"),
                    ("reauthenticated", "Identity confirmed"),
                    ("sessions_ended", "Sessions ended"),
                    ("factor_added", "Second factor added"),
                    ("factor_removed", "Second factor removed"),
                    ("password_changed", "Password changed"),
                    ("person_invited", "Person invited"),
                    ("invitation_used", "Invitation used"),
                    ("invitation_revoked", "Invitation revoked"),
                    ("person_changed", "Person changed"),
                    ("roles_changed", "Roles changed"),
                    ("person_disabled", "Person disabled"),
                    ("person_enabled", "Person enabled"),
                    ("token_added", "Token added"),
                    ("token_changed", "Token changed"),
                    ("token_replaced", "Token replaced"),
                    ("token_checked", "Token checked"),
                    ("token_deleted", "Token deleted"),
                    ("keys_rotated", "Keys rotated"),
                ],
                max_length=20,
            ),
        ),
        migrations.AlterField(
            model_name="user",
            name="username",
            field=models.CharField(
                error_messages={"unique": "There is an account with this user name."},
                help_text="Letters, digits and @ . + - _ only. It can't be changed later.",
                max_length=150,
                unique=True,
                validators=[django.contrib.auth.validators.ASCIIUsernameValidator()],
                verbose_name="user name",
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.UniqueConstraint(
                django.db.models.functions.text.Lower("username"), name="user_name_any_case"
            ),
        ),
        migrations.AddField(
            model_name="invitation",
            name="person",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="invitations",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="session",
            name="user",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="sessions",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        # Session keys in clear text.
        migrations.RunSQL("DROP TABLE IF EXISTS django_session", migrations.RunSQL.noop),
        migrations.RunPython(protect_names, unprotect_names),
        migrations.RemoveIndex(model_name="auditentry", name="audit_by_user"),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(fields=["user_id", "created_at", "id"], name="audit_by_user"),
        ),
        migrations.RunPython(count_by_account, migrations.RunPython.noop),
    ]
