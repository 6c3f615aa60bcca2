-- Every B-tree of our tables, if this login finds the extension amcheck and may use it.
SELECT i.oid::regclass::text
FROM pg_class AS i
JOIN pg_am AS a ON a.oid = i.relam AND a.amname = 'btree'
JOIN pg_index AS x ON x.indexrelid = i.oid AND x.indisvalid AND x.indisready
JOIN pg_class AS c ON c.oid = x.indrelid AND c.relpersistence = 'p'
JOIN pg_class AS v ON v.oid = to_regclass('schema_version') AND v.relnamespace = c.relnamespace
WHERE to_regprocedure('bt_index_check(regclass, boolean)') IS NOT NULL
    AND has_function_privilege(to_regprocedure('bt_index_check(regclass, boolean)'), 'EXECUTE')
ORDER BY 1
