-- What a session with this search path finds in place of our objects, or PostgreSQL's: relations and functions of
-- schemas that come first in it. The temporary schema is the session's own.
WITH path (schema, place) AS (
    SELECT * FROM unnest(current_schemas(true)) WITH ORDINALITY
), ours (place) AS (
    SELECT p.place FROM path AS p WHERE p.schema = %(schema_name)s
)
SELECT format('%%I.%%I', n.nspname, c.relname)
FROM path AS p
JOIN ours AS o ON p.place < o.place
JOIN pg_namespace AS n ON n.nspname = p.schema AND n.nspname NOT LIKE 'pg\_%%'
JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = ANY(%(tables)s::text[])
UNION ALL
SELECT format('%%I.%%I(%%s)', n.nspname, f.proname, oidvectortypes(f.proargtypes))
FROM path AS p
JOIN ours AS o ON p.place < o.place
JOIN pg_namespace AS n ON n.nspname = p.schema AND n.nspname NOT LIKE 'pg\_%%'
JOIN pg_proc AS f ON f.pronamespace = n.oid AND f.proname = ANY(%(functions)s::text[])
UNION ALL
SELECT quote_ident(o.schema) || ' before pg_catalog'
FROM (SELECT p.schema, p.place FROM path AS p WHERE p.schema NOT LIKE 'pg\_%%') AS o
JOIN path AS c ON c.schema = 'pg_catalog' AND o.place < c.place
