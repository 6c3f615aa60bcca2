-- A page of ledgers whose newest checkpoint this witness has not cosigned, with the last size that it has (0: none).
-- Most have grown; one may have another tree of the size that was cosigned, or be smaller than that.
SELECT h.tenant, h.size, c.note, done.size
FROM heads AS h
CROSS JOIN LATERAL (
    SELECT coalesce(max(k.size), 0) AS size
    FROM cosignatures AS k
    WHERE k.origin = %(prefix)s || '/' || h.tenant AND k.witness = %(witness)s
) AS done
JOIN checkpoints AS c ON c.tenant = h.tenant AND c.size = h.size
WHERE h.tenant > %(after)s AND h.size > 0 AND (h.size <> done.size OR coalesce((
    SELECT false
    FROM cosignatures AS k
    WHERE k.text_hash = sha256(substring(c.note FROM 1 FOR position('\x0a0a'::bytea IN c.note)))
        AND k.witness = %(witness)s
    LIMIT 1
), true))
ORDER BY h.tenant
LIMIT %(limit)s
