-- The search paths that are set for roles and for this database.
SELECT CASE d.setrole WHEN 0 THEN 'every role' ELSE pg_get_userbyid(d.setrole) END, substring(one FROM 13)
FROM pg_db_role_setting AS d CROSS JOIN unnest(d.setconfig) AS one
WHERE d.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
    AND starts_with(one, 'search_path=')
