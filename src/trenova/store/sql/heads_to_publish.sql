-- A page of logs that have entries, with how many witnesses have cosigned their newest checkpoint.
SELECT h.tenant, h.size, (
    SELECT count(*) FROM cosignatures AS k WHERE k.origin = %(prefix)s || '/' || h.tenant AND k.size = h.size
)
FROM heads AS h
WHERE h.tenant > %(after)s AND h.size > 0
ORDER BY h.tenant
LIMIT %(limit)s
