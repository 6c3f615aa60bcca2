-- For each ledger the first append without its checkpoint, and the first checkpoint at whose size no append ended.
-- Appends from before the trees have none: their entries were rewritten when the trees came, so no row has the
-- transaction id of the append any more. The same holds in a database that was restored from a dump.
WITH ends (tenant, size, first_index, xid) AS (
    SELECT tenant, first_index + stored, first_index, xid
    FROM batches
    WHERE stored > 0 AND tenant >= %(first)s AND tenant <= %(last)s
), oldest (tenant, size) AS (
    SELECT tenant, min(size) FROM checkpoints WHERE tenant >= %(first)s AND tenant <= %(last)s GROUP BY tenant
), wrong (tenant, size, expected, got) AS (
    SELECT b.tenant, b.size, 'the one of its append', 'none'
    FROM ends AS b
    LEFT JOIN oldest AS o ON o.tenant = b.tenant
    -- `verification.ledger` checks that of the head.
    JOIN heads AS h ON h.tenant = b.tenant AND b.size < h.size
    WHERE NOT EXISTS (SELECT FROM checkpoints AS c WHERE c.tenant = b.tenant AND c.size = b.size)
        AND (b.size > o.size OR EXISTS (
            SELECT FROM entries AS e
            WHERE e.tenant = b.tenant AND e.index >= b.first_index AND e.index < b.size
                AND e.xmin::text = (b.xid::text::numeric %% 4294967296)::text
        ))
    UNION ALL
    SELECT c.tenant, c.size, 'an append that ended there', 'none'
    FROM checkpoints AS c
    JOIN heads AS h ON h.tenant = c.tenant AND c.size <= h.size
    WHERE c.tenant >= %(first)s AND c.tenant <= %(last)s
        AND NOT EXISTS (SELECT FROM ends AS b WHERE b.tenant = c.tenant AND b.size = c.size)
)
SELECT tenant, 'checkpoint ' || size, expected, got || CASE number WHEN 1 THEN '' ELSE ' (and ' || number - 1 || ' more)' END
FROM (
    SELECT tenant, size, expected, got, count(*) OVER own AS number, row_number() OVER (own ORDER BY size) AS place
    FROM wrong
    WINDOW own AS (PARTITION BY tenant, expected)
) AS counted
WHERE place = 1
ORDER BY tenant, size
