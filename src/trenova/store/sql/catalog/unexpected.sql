-- What no migration makes, and what could change, hide or add rows, or take the place of our objects.
SELECT 'rule ' || w.rulename || ' on ' || c.relname, jsonb_build_object('definition', pg_get_ruledef(w.oid, true))
FROM pg_rewrite AS w
JOIN pg_class AS c ON c.oid = w.ev_class
WHERE c.relnamespace = %(schema)s::regnamespace AND c.relname = ANY(%(tables)s::text[])
UNION ALL
SELECT 'policy ' || p.polname || ' on ' || c.relname, jsonb_build_object('command', p.polcmd)
FROM pg_policy AS p
JOIN pg_class AS c ON c.oid = p.polrelid
WHERE c.relnamespace = %(schema)s::regnamespace AND c.relname = ANY(%(tables)s::text[])
UNION ALL
SELECT 'inheritance of ' || i.inhrelid::regclass::text || ' from ' || i.inhparent::regclass::text, '{}'
FROM pg_inherits AS i
JOIN pg_class AS c ON c.oid IN (i.inhrelid, i.inhparent)
WHERE c.relnamespace = %(schema)s::regnamespace AND c.relname = ANY(%(tables)s::text[])
UNION ALL
SELECT 'event trigger ' || e.evtname, jsonb_build_object('event', e.evtevent, 'enabled', e.evtenabled)
FROM pg_event_trigger AS e
WHERE NOT EXISTS (
    SELECT FROM pg_depend AS d
    WHERE d.classid = 'pg_event_trigger'::regclass AND d.objid = e.oid AND d.deptype = 'e'
)
UNION ALL
SELECT 'subscription ' || s.subname || ' into ' || c.relname, '{}'
FROM pg_subscription AS s
JOIN pg_subscription_rel AS r ON r.srsubid = s.oid
JOIN pg_class AS c ON c.oid = r.srrelid
WHERE c.relnamespace = %(schema)s::regnamespace AND c.relname = ANY(%(tables)s::text[])
UNION ALL
SELECT 'operator ' || o.oid::regoperator::text, '{}'
FROM pg_operator AS o
WHERE o.oprnamespace = %(schema)s::regnamespace
    AND EXISTS (
        SELECT FROM pg_operator AS b
        WHERE b.oprname = o.oprname AND b.oprnamespace = 'pg_catalog'::regnamespace
    )
    AND NOT EXISTS (
        SELECT FROM pg_depend AS d
        WHERE d.classid = 'pg_operator'::regclass AND d.objid = o.oid AND d.deptype = 'e'
    )
UNION ALL
SELECT 'cast from ' || format_type(t.castsource, NULL) || ' to ' || format_type(t.casttarget, NULL), '{}'
FROM pg_cast AS t
WHERE t.oid >= 16384 -- the first number that is not PostgreSQL's own
    AND t.castcontext <> 'e'
    AND NOT EXISTS (
        SELECT FROM pg_depend AS d WHERE d.classid = 'pg_cast'::regclass AND d.objid = t.oid AND d.deptype = 'e'
    )
