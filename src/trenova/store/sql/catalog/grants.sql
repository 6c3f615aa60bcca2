-- What roles other than the owner may do. Operators may let their own roles read tables and maintain them.
WITH granted (object, acl) AS (
    SELECT 'table ' || c.relname, c.relacl
    FROM pg_class AS c
    WHERE c.relnamespace = %(schema)s::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
        AND (%(tables)s::text[] IS NULL OR c.relname = ANY(%(tables)s::text[]))
    UNION ALL
    SELECT 'column ' || c.relname || '.' || a.attname, a.attacl
    FROM pg_class AS c
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND NOT a.attisdropped
    WHERE c.relnamespace = %(schema)s::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
        AND (%(tables)s::text[] IS NULL OR c.relname = ANY(%(tables)s::text[]))
    UNION ALL
    SELECT
        'function ' || p.proname || '(' || oidvectortypes(p.proargtypes) || ')',
        coalesce(p.proacl, acldefault('f', p.proowner))
    FROM pg_proc AS p
    WHERE p.pronamespace = %(schema)s::regnamespace
        AND (%(functions)s::text[] IS NULL OR p.proname = ANY(%(functions)s::text[]))
), one (object, grantee, privilege, again) AS (
    SELECT g.object, a.grantee, a.privilege_type, a.is_grantable
    FROM granted AS g CROSS JOIN aclexplode(g.acl) AS a
    WHERE a.grantee <> %(owner)s
    UNION ALL
    -- Whoever may create functions here can catch calls that are meant for others.
    SELECT 'the schema', a.grantee, a.privilege_type, a.is_grantable
    FROM pg_namespace AS n CROSS JOIN aclexplode(n.nspacl) AS a
    WHERE n.oid = %(schema)s::regnamespace AND a.privilege_type = 'CREATE' AND a.grantee NOT IN (n.nspowner, %(owner)s)
    UNION ALL
    SELECT 'the owner''s future objects of kind ' || d.defaclobjtype::text, a.grantee, a.privilege_type, a.is_grantable
    FROM pg_default_acl AS d CROSS JOIN aclexplode(d.defaclacl) AS a
    WHERE d.defaclrole = %(owner)s AND d.defaclnamespace IN (0, %(schema)s::regnamespace) AND a.grantee <> %(owner)s
)
SELECT 'grant of ' || o.privilege || ' on ' || o.object || ' to ' || coalesce(r.rolname, 'PUBLIC'),
    jsonb_build_object('with grant option', o.again)
FROM one AS o
LEFT JOIN pg_roles AS r ON r.oid = o.grantee
WHERE %(roles)s::text[] IS NULL OR r.rolname = ANY(%(roles)s::text[]) OR r.rolname IS NULL OR o.again
    OR o.privilege NOT IN ('SELECT', 'MAINTAIN')
