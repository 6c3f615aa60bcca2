-- A page of logs whose newest checkpoint this witness has not cosigned, with the last size that it has (0: none).
SELECT h.tenant, h.size, c.note, done.size
FROM heads AS h
CROSS JOIN LATERAL (
    SELECT coalesce(max(k.size), 0) AS size
    FROM cosignatures AS k
    WHERE k.origin = %(prefix)s || '/' || h.tenant AND k.witness = %(witness)s
) AS done
JOIN checkpoints AS c ON c.tenant = h.tenant AND c.size = h.size
WHERE h.tenant > %(after)s AND h.size > done.size
ORDER BY h.tenant
LIMIT %(limit)s
