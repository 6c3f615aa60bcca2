-- A page of ledgers that have entries, with the checkpoint of their size if there is one.
SELECT h.tenant, c.note
FROM heads AS h
LEFT JOIN checkpoints AS c ON c.tenant = h.tenant AND c.size = h.size
WHERE h.tenant > %(after)s AND h.size > 0
ORDER BY h.tenant
LIMIT %(limit)s
