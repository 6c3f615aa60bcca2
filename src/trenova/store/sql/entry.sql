-- The entry with this id in one tenant's ledger or, without a tenant, in any: one primary-key lookup for each
-- ledger.
SELECT h.tenant, e.index, e.salt, e.commitment, e.body
FROM heads AS h
JOIN LATERAL (
    SELECT index, salt, commitment, body FROM entries WHERE entries.tenant = h.tenant AND entries.id = %(id)s
) AS e ON true
WHERE h.tenant = coalesce(%(tenant)s::text, h.tenant)
