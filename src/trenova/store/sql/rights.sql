-- What the login may do with each of our tables that are there. A right to some columns only is no right to the table.
SELECT
    c.relname,
    ARRAY(
        SELECT p FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS p
        WHERE has_table_privilege(c.oid, p)
    ),
    has_any_column_privilege(c.oid, 'UPDATE'),
    pg_has_role(c.relowner, 'USAGE')
FROM pg_class AS c
WHERE c.relnamespace = current_schema()::regnamespace AND c.relname = ANY(%(tables)s) AND c.relkind = 'r'
ORDER BY c.relname
