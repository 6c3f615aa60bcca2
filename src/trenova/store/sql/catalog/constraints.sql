-- Without NOT NULL, which is a constraint from 18 on and a fact of the column before, and without constraint
-- triggers.
SELECT 'constraint ' || n.conname || ' on ' || c.relname, jsonb_build_object(
    -- With NOT VALID, DEFERRABLE and NOT ENFORCED where they hold.
    'definition', pg_get_constraintdef(n.oid, true)
)
FROM pg_constraint AS n
JOIN pg_class AS c ON c.oid = n.conrelid
WHERE c.relnamespace = %(schema)s::regnamespace AND n.contype NOT IN ('n', 't')
    AND (%(tables)s::text[] IS NULL OR c.relname = ANY(%(tables)s::text[]))
