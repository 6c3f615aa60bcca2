-- The last entry of a ledger that was received before this time, found by walking back along the ledger.
SELECT index FROM entries WHERE tenant = %(tenant)s AND received_at < %(time)s ORDER BY index DESC LIMIT 1
