-- The commitments of a stretch of one ledger, joined.
SELECT coalesce(string_agg(commitment, ''::bytea ORDER BY index), '')
FROM entries
WHERE tenant = %(tenant)s AND index >= %(first)s AND index < %(end)s
