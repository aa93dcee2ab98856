"""The roles, as groups. What each may do is decided here and asked in `access.py`."""

from django.apps.registry import Apps
from django.contrib.auth.management import create_permissions
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

ROLES = {
    "operator": {"ipadmin": ["use_apitoken", "view_auditentry"]},
    "auditor": {"ipadmin": ["view_auditentry", "view_auditlink"]},
    "administrator": {
        "ipadmin": ["view_user", "add_user", "change_user", "delete_user"],
        "auth": ["view_group"],
    },
}


def make_roles(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Create the groups. Django creates permissions after the last migration, which is too late
    here, so that they are created first."""
    using = schema_editor.connection.alias
    for label in ["auth", "ipadmin"]:
        app = apps.get_app_config(label)
        # An app of a migration has no models module, and would be skipped for it.
        app.models_module = True  # type: ignore[assignment]
        create_permissions(app, using=using, apps=apps, verbosity=0)
    groups = apps.get_model("auth", "Group").objects.using(using)
    permissions = apps.get_model("auth", "Permission").objects.using(using)
    for role, granted in ROLES.items():
        group, _made = groups.get_or_create(name=role)
        for label, names in granted.items():
            found = permissions.filter(content_type__app_label=label, codename__in=names)
            if found.count() != len(names):
                raise RuntimeError(f"permissions of {label} are missing: {names}")
            group.permissions.add(*found)


class Migration(migrations.Migration):
    dependencies = [
        ("ipadmin", "0001_schema"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(make_roles, migrations.RunPython.noop)]
