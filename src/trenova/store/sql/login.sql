-- The name of the login, which of our roles it has, and who owns the tables or, before they exist, the database.
SELECT
    current_user::text,
    ARRAY(
        SELECT rolname::text FROM pg_roles
        WHERE rolname LIKE 'trenova\_%' AND NOT rolcanlogin AND pg_has_role(current_user, oid, 'MEMBER')
        ORDER BY rolname
    ),
    coalesce(
        (SELECT pg_get_userbyid(relowner)::text FROM pg_class WHERE oid = to_regclass('schema_version')),
        (SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = current_database())
    )
