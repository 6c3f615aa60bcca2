-- What matters of a table beside its columns. Tablespace and storage parameters are the operator's choice.
SELECT 'table ' || c.relname, jsonb_build_object(
    'kind', CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' WHEN 'f' THEN 'foreign table' ELSE c.relkind::text END,
    'persistence', CASE c.relpersistence WHEN 'p' THEN 'logged' WHEN 'u' THEN 'unlogged' ELSE c.relpersistence::text END,
    'access method', (SELECT a.amname FROM pg_am AS a WHERE a.oid = c.relam),
    'owner', CASE WHEN c.relowner = %(owner)s THEN 'that of schema_version' ELSE pg_get_userbyid(c.relowner) END,
    'row security', c.relrowsecurity,
    'forced row security', c.relforcerowsecurity
)
FROM pg_class AS c
WHERE c.relnamespace = %(schema)s::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND (%(tables)s::text[] IS NULL OR c.relname = ANY(%(tables)s::text[]))
