"""Notifications, their deliveries, and where the worker goes on looking for them."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("ipadmin", "0007_runs"),
    ]

    operations = [
        migrations.CreateModel(
            name="Notification",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.CharField(max_length=150, unique=True)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("outcome", "Outcome stayed unknown"),
                            ("dangerous", "Attempt on a VIP or last address"),
                            ("run", "Run that ended"),
                            ("approval", "Request for approval"),
                            ("verification", "Failed verification"),
                            ("stream", "Stream that does not advance"),
                            ("token", "Rejected token"),
                            ("test", "Test"),
                        ],
                        max_length=20,
                    ),
                ),
                ("title", models.CharField(max_length=200)),
                ("text", models.CharField(max_length=500)),
                ("path", models.CharField(max_length=200)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="NotificationWatermark",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("since", models.DateTimeField(default=django.utils.timezone.now)),
                ("sequence", models.BigIntegerField(default=0)),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="NotificationDelivery",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("target", models.CharField(max_length=50)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("outcome", "Outcome stayed unknown"),
                            ("dangerous", "Attempt on a VIP or last address"),
                            ("run", "Run that ended"),
                            ("approval", "Request for approval"),
                            ("verification", "Failed verification"),
                            ("stream", "Stream that does not advance"),
                            ("token", "Rejected token"),
                            ("test", "Test"),
                        ],
                        max_length=20,
                    ),
                ),
                ("last", models.BigIntegerField()),
                ("others", models.PositiveIntegerField()),
                (
                    "state",
                    models.CharField(
                        choices=[("waiting", "Waiting"), ("sent", "Sent"), ("expired", "Expired")],
                        db_index=True,
                        default="waiting",
                        max_length=10,
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("expires_at", models.DateTimeField()),
                ("next_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("tries", models.PositiveIntegerField(default=0)),
                ("sent_at", models.DateTimeField(null=True)),
                ("error", models.CharField(blank=True, max_length=200)),
                (
                    "first",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, to="ipadmin.notification"
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "notification deliveries",
                "ordering": ["-created_at", "-id"],
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state", "waiting")),
                        fields=("target", "kind"),
                        name="notification_one_waiting",
                    )
                ],
            },
        ),
    ]
