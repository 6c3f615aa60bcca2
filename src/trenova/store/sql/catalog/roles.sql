-- The roles of the migrations. Their members are the operator's choice.
SELECT 'role ' || r.rolname, jsonb_build_object(
    'superuser', r.rolsuper,
    'bypasses row security', r.rolbypassrls,
    'creates roles', r.rolcreaterole,
    'creates databases', r.rolcreatedb,
    'replicates', r.rolreplication,
    'member of', (
        SELECT jsonb_agg(g.rolname ORDER BY g.rolname)
        FROM pg_auth_members AS m JOIN pg_roles AS g ON g.oid = m.roleid
        WHERE m.member = r.oid
    )
)
FROM pg_roles AS r
WHERE r.rolname = ANY(%(roles)s::text[])
