-- What the login may do beyond our tables: its roles of ours, its attributes, and which of our functions it may
-- call.
SELECT
    r.rolsuper,
    ARRAY(
        SELECT m.rolname::text FROM pg_roles AS m
        WHERE m.rolname = ANY(%(roles)s::text[]) AND pg_has_role(m.oid, 'MEMBER') ORDER BY 1
    ),
    array_remove(ARRAY[
        CASE WHEN r.rolcreaterole THEN 'CREATEROLE' END,
        CASE WHEN r.rolcreatedb THEN 'CREATEDB' END,
        CASE WHEN r.rolbypassrls THEN 'BYPASSRLS' END,
        CASE WHEN r.rolreplication THEN 'REPLICATION' END,
        CASE WHEN has_schema_privilege(current_schema(), 'CREATE') THEN 'CREATE on the schema' END,
        CASE WHEN has_database_privilege(current_database(), 'CREATE') THEN 'CREATE on the database' END,
        CASE WHEN has_parameter_privilege('session_replication_role', 'SET')
            THEN 'SET session_replication_role, which passes over triggers' END
    ], NULL) || ARRAY(
        SELECT 'the role ' || m.rolname FROM pg_roles AS m
        WHERE starts_with(m.rolname, 'pg_') AND pg_has_role(m.oid, 'MEMBER') ORDER BY 1
    ),
    has_database_privilege(current_database(), 'TEMPORARY'),
    ARRAY(
        SELECT f FROM unnest(%(functions)s::text[]) AS f
        WHERE to_regprocedure(f) IS NOT NULL AND has_function_privilege(to_regprocedure(f), 'EXECUTE') ORDER BY 1
    )
FROM pg_roles AS r
WHERE r.rolname = current_user
