-- The database role of the site and its worker: it reads and writes rows, and owns nothing. It can
-- drop no trigger, change no table, and neither change nor delete a link of the hash chain.
-- Run it as a superuser of PostgreSQL, after each `manage.py migrate`; see docs/operations.md.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ipadmin_app') THEN
        CREATE ROLE ipadmin_app NOLOGIN;
    END IF;
END
$$;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO ipadmin_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ipadmin_app;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO ipadmin_app;
REVOKE UPDATE, DELETE ON ipadmin_auditlink FROM ipadmin_app;
-- Only `migrate` writes these.
REVOKE INSERT, UPDATE, DELETE ON django_migrations, django_content_type, auth_permission, auth_group,
    auth_group_permissions FROM ipadmin_app;
