-- The first entry of a ledger that a walk does not meet, and how many there are.
WITH met AS MATERIALIZED ({walk}), log AS MATERIALIZED (
    SELECT index, id, body IS NOT NULL AS there, outcome <> 'success' AS rare
    FROM entries WHERE tenant = %(first)s ORDER BY tenant, index
)
SELECT min(l.index), count(*)
FROM log AS l
LEFT JOIN met AS m ON m.id = l.id
WHERE m.id IS NULL AND CASE %(rows)s WHEN 'all' THEN true WHEN 'rare' THEN l.rare ELSE l.there END
