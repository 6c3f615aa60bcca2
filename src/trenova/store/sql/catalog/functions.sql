-- An operator's own function may exist if no call that is meant for one of ours, or of PostgreSQL's, can reach it.
SELECT 'function ' || p.proname || '(' || oidvectortypes(p.proargtypes) || ')', jsonb_build_object(
    'kind', p.prokind,
    'arguments', pg_get_function_arguments(p.oid),
    'result', pg_get_function_result(p.oid),
    'language', (SELECT l.lanname FROM pg_language AS l WHERE l.oid = p.prolang),
    'body', coalesce(pg_get_function_sqlbody(p.oid), encode(sha256(convert_to(p.prosrc, 'UTF8')), 'hex')),
    'library', p.probin,
    'volatility', p.provolatile,
    'strict', p.proisstrict,
    'security definer', p.prosecdef,
    'leakproof', p.proleakproof,
    'parallel', p.proparallel,
    -- The path has the name of the schema, which may be another.
    'settings', (
        SELECT jsonb_agg(CASE
            WHEN starts_with(c, 'search_path=')
                THEN array_to_string(array_replace(string_to_array(c, ', '), %(schema)s, '<schema>'), ', ')
            ELSE c
        END ORDER BY c)
        FROM unnest(p.proconfig) AS c
    ),
    'owner', CASE WHEN p.proowner = %(owner)s THEN 'that of schema_version' ELSE pg_get_userbyid(p.proowner) END
)
FROM pg_proc AS p
WHERE p.pronamespace = %(schema)s::regnamespace
    AND NOT EXISTS (
        SELECT FROM pg_depend AS d
        WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
    )
    AND (
        %(functions)s::text[] IS NULL OR p.proname = ANY(%(functions)s::text[]) OR EXISTS (
            SELECT FROM pg_proc AS o WHERE o.proname = p.proname AND o.pronamespace = 'pg_catalog'::regnamespace
        )
    )
