-- Without the triggers that PostgreSQL makes for foreign keys, which are internal and call its own functions.
SELECT 'trigger ' || t.tgname || ' on ' || c.relname, jsonb_build_object(
    'definition', pg_get_triggerdef(t.oid, true),
    'enabled', CASE t.tgenabled WHEN 'O' THEN 'yes' WHEN 'D' THEN 'no' WHEN 'R' THEN 'on replicas only' ELSE 'always' END
)
FROM pg_trigger AS t
JOIN pg_class AS c ON c.oid = t.tgrelid
JOIN pg_proc AS p ON p.oid = t.tgfoid
WHERE c.relnamespace = %(schema)s::regnamespace
    AND (%(tables)s::text[] IS NULL OR c.relname = ANY(%(tables)s::text[]))
    AND (NOT t.tgisinternal OR p.pronamespace <> 'pg_catalog'::regnamespace)
