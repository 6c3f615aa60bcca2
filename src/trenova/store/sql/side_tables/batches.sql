-- The first place of each ledger where its batches leave a gap, overlap, or do not end where the head says, and how
-- many such places it has.
WITH parts AS (
    SELECT tenant, first_index, stored,
        lag(first_index + stored, 1, 0::bigint) OVER (PARTITION BY tenant ORDER BY first_index, stored) AS expected
    FROM batches
    WHERE stored > 0 AND tenant >= %(first)s AND tenant <= %(last)s
), wrong (tenant, expected, got) AS (
    SELECT tenant, expected, first_index FROM parts WHERE first_index <> expected
    UNION ALL
    SELECT e.tenant, h.size, e.last
    FROM (SELECT tenant, max(first_index + stored) AS last FROM parts GROUP BY tenant) AS e
    JOIN heads AS h ON h.tenant = e.tenant
    WHERE e.last <> h.size
    UNION ALL
    SELECT h.tenant, h.size, 0 FROM heads AS h
    WHERE h.size > 0 AND h.tenant >= %(first)s AND h.tenant <= %(last)s
        AND NOT EXISTS (SELECT FROM parts AS p WHERE p.tenant = h.tenant)
    UNION ALL
    SELECT b.tenant, h.size, b.first_index
    FROM batches AS b JOIN heads AS h ON h.tenant = b.tenant
    WHERE b.stored = 0 AND b.tenant >= %(first)s AND b.tenant <= %(last)s AND b.first_index NOT BETWEEN 0 AND h.size
)
SELECT tenant, 'batches', 'a batch that begins, or the last one that ends, at ' || expected,
    got || CASE number WHEN 1 THEN '' ELSE ' (and ' || number - 1 || ' more)' END
FROM (
    SELECT tenant, expected, got, count(*) OVER own AS number, row_number() OVER (own ORDER BY expected) AS place
    FROM wrong
    WINDOW own AS (PARTITION BY tenant)
) AS counted
WHERE place = 1
ORDER BY tenant
