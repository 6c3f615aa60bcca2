-- The ledgers to check with their heads: those of which anything is stored, whether or not the head is; those that
-- callers or witnesses know; and those that should report a change beside the ledgers. Entries, checkpoints and
-- cosignatures are walked from one name to the next along their primary keys.
WITH RECURSIVE named (tenant) AS (
    (SELECT tenant FROM entries WHERE tenant > %(after)s ORDER BY tenant LIMIT 1)
    UNION ALL
    SELECT (SELECT e.tenant FROM entries AS e WHERE e.tenant > n.tenant ORDER BY e.tenant LIMIT 1)
    FROM named AS n WHERE n.tenant IS NOT NULL
), signed (tenant) AS (
    (SELECT tenant FROM checkpoints WHERE tenant > %(after)s ORDER BY tenant LIMIT 1)
    UNION ALL
    SELECT (SELECT c.tenant FROM checkpoints AS c WHERE c.tenant > s.tenant ORDER BY c.tenant LIMIT 1)
    FROM signed AS s WHERE s.tenant IS NOT NULL
), cosigned (origin) AS (
    (SELECT origin FROM cosignatures ORDER BY origin LIMIT 1)
    UNION ALL
    SELECT (SELECT k.origin FROM cosignatures AS k WHERE k.origin > o.origin ORDER BY k.origin LIMIT 1)
    FROM cosigned AS o WHERE o.origin IS NOT NULL
), every (tenant) AS (
    SELECT tenant FROM named
    UNION SELECT tenant FROM signed
    UNION SELECT tenant FROM heads
    UNION SELECT substring(origin FROM '[^/]*$') COLLATE "C" FROM cosigned WHERE origin IS NOT NULL
    UNION SELECT unnest(%(known)s::text[]) COLLATE "C"
    UNION SELECT tenant FROM system_records WHERE appended_at IS NOT NULL
    UNION SELECT '_trenova' COLLATE "C" WHERE EXISTS (
        SELECT FROM api_keys AS k
        WHERE NOT EXISTS (SELECT FROM system_records AS r WHERE r.target_type = 'api_key' AND r.target_id = k.id)
    )
    UNION SELECT coalesce(d.tenant, '_trenova' COLLATE "C") FROM dead_letters AS d
    WHERE (d.edited_by IS NOT NULL OR d.sent IS NOT NULL)
        AND NOT EXISTS (SELECT FROM system_records AS r WHERE r.target_id = d.id::text)
)
SELECT e.tenant, h.size, h.frontier, coalesce(p.index, 0)
FROM every AS e
LEFT JOIN heads AS h ON h.tenant = e.tenant
LEFT JOIN retention_positions AS p ON p.tenant = e.tenant
WHERE e.tenant > %(after)s AND %(tenant)s IN ('', e.tenant)
ORDER BY e.tenant
