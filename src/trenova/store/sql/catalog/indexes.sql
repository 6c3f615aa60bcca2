-- An operator's own index may exist if it rejects no row and runs no function but PostgreSQL's.
SELECT 'index ' || i.relname || ' on ' || c.relname, jsonb_build_object(
    'definition', pg_get_indexdef(i.oid, 0, true),
    'valid', x.indisvalid,
    'ready', x.indisready,
    'live', x.indislive,
    'immediate', x.indimmediate,
    'unlogged', i.relpersistence = 'u'
)
FROM pg_index AS x
JOIN pg_class AS i ON i.oid = x.indexrelid
JOIN pg_class AS c ON c.oid = x.indrelid
WHERE c.relnamespace = %(schema)s::regnamespace
    AND (%(tables)s::text[] IS NULL OR c.relname = ANY(%(tables)s::text[]))
    AND (
        %(indexes)s::text[] IS NULL OR i.relname = ANY(%(indexes)s::text[]) OR x.indisunique OR x.indisexclusion
        OR EXISTS (
            SELECT FROM pg_depend AS d
            WHERE d.classid = 'pg_class'::regclass AND d.objid = i.oid
                AND d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass)
        )
    )
