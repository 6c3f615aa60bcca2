-- A page of ledgers that have entries, with the hash of their newest checkpoint's text, and how many witnesses have
-- cosigned exactly that text.
SELECT h.tenant, h.size, told.text_hash, (
    SELECT count(*) FROM cosignatures AS k WHERE k.text_hash = told.text_hash
)
FROM heads AS h
LEFT JOIN checkpoints AS c ON c.tenant = h.tenant AND c.size = h.size
CROSS JOIN LATERAL (
    SELECT sha256(substring(c.note FROM 1 FOR position('\x0a0a'::bytea IN c.note))) AS text_hash
) AS told
WHERE h.tenant > %(after)s AND h.size > 0
ORDER BY h.tenant
LIMIT %(limit)s
