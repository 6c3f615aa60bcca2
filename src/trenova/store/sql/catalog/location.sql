-- The schema in which this session finds our tables, their owner, and every schema of its search path, in order.
SELECT c.relnamespace::regnamespace::text, c.relowner, n.nspname, current_schemas(true)::text[]
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid = to_regclass('schema_version')
