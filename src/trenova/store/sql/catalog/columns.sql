SELECT 'column ' || c.relname || '.' || a.attname, jsonb_build_object(
    'type', format_type(a.atttypid, a.atttypmod),
    'collation', (SELECT o.collname FROM pg_collation AS o WHERE o.oid = a.attcollation),
    -- From 18 on a NOT NULL may be one that was never validated.
    'not null', a.attnotnull AND NOT EXISTS (
        SELECT FROM pg_constraint AS n
        WHERE n.conrelid = a.attrelid AND n.contype = 'n' AND n.conkey = ARRAY[a.attnum] AND NOT n.convalidated
    ),
    'default', (
        SELECT pg_get_expr(d.adbin, d.adrelid, true) FROM pg_attrdef AS d
        WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum
    ),
    'generated', a.attgenerated,
    'identity', a.attidentity,
    'storage', a.attstorage
)
FROM pg_class AS c
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = %(schema)s::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND (%(tables)s::text[] IS NULL OR c.relname = ANY(%(tables)s::text[]))
