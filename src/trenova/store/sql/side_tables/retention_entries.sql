-- The entries with which this program has reported policies and holds, each stored by a batch of its own. Entries
-- that a client has sent under the same names do not count.
SELECT e.tenant, e.index, e.body
FROM heads AS h
CROSS JOIN LATERAL (
    SELECT e.tenant, e.index, e.id, e.body
    FROM entries AS e
    WHERE e.tenant = h.tenant AND e.body IS NOT NULL
        AND e.action IN ('retention.set', 'retention.unset', 'hold.place', 'hold.release')
) AS e
WHERE h.tenant >= %(first)s AND h.tenant <= %(last)s
    AND EXISTS (
        SELECT FROM batches AS b
        WHERE b.batch_id = 'retention-' || e.id AND b.tenant = e.tenant AND b.first_index = e.index AND b.stored = 1
    )
ORDER BY e.tenant, e.index
