-- The entries of a stretch of one ledger, with what proves them.
SELECT index, salt, commitment, body
FROM entries
WHERE tenant = %(tenant)s AND index >= %(first)s AND index < %(end)s
ORDER BY index
