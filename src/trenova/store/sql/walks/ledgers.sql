-- As digests.sql: of all rows, of those with content, and of those with a rare outcome, along the ledger itself.
SELECT tenant, count(*), bit_xor(hash),
    count(*) FILTER (WHERE there), bit_xor(hash) FILTER (WHERE there),
    count(*) FILTER (WHERE rare), bit_xor(hash) FILTER (WHERE rare)
FROM (
    SELECT tenant, uuid_hash_extended(id, 0) AS hash, body IS NOT NULL AS there, outcome <> 'success' AS rare
    FROM entries
    WHERE tenant >= %(first)s AND tenant <= %(last)s
    ORDER BY tenant, index
) AS walked
GROUP BY tenant
