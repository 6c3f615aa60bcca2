-- Settings that change the meaning of everything else: of this session, and as set for roles and this database.
SELECT 'setting ' || s.name, jsonb_build_object('value', s.setting)
FROM pg_settings AS s
WHERE s.name = ANY(%(settings)s::text[])
UNION ALL
SELECT
    'setting ' || split_part(one, '=', 1) || ' of ' || CASE d.setrole WHEN 0 THEN 'every role' ELSE pg_get_userbyid(d.setrole) END,
    jsonb_build_object('value', substring(one FROM position('=' IN one) + 1))
FROM pg_db_role_setting AS d CROSS JOIN unnest(d.setconfig) AS one
WHERE d.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
    AND split_part(one, '=', 1) = ANY(%(settings)s::text[])
    AND substring(one FROM position('=' IN one) + 1) <> (SELECT b.boot_val FROM pg_settings AS b WHERE b.name = split_part(one, '=', 1))
