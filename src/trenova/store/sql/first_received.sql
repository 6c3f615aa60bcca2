-- The first entry of a ledger that was received at this time or later, found by walking along the ledger.
SELECT index FROM entries WHERE tenant = %(tenant)s AND received_at >= %(time)s ORDER BY index LIMIT 1
