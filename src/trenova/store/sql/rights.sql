-- What the login may do with each table of our schema: the columns for each kind of right that it has, and whether
-- these are all columns.
SELECT c.relname, pg_has_role(c.relowner, 'USAGE') AS owns, p.kind, held.columns, cardinality(held.columns) = held.every
FROM pg_class AS c
CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES', 'DELETE', 'TRUNCATE', 'TRIGGER']) AS p (kind)
CROSS JOIN LATERAL (
    SELECT count(*) AS every, coalesce(array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE
        CASE WHEN p.kind IN ('DELETE', 'TRUNCATE', 'TRIGGER') THEN has_table_privilege(c.oid, p.kind)
        ELSE has_column_privilege(c.oid, a.attnum, p.kind) END
    ), '{}') AS columns
    FROM pg_attribute AS a
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
) AS held
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
    AND (held.columns <> '{}' OR pg_has_role(c.relowner, 'USAGE'))
ORDER BY c.relname, p.kind
