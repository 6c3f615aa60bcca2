-- The first entry of a log that was received at a time or later, found by walking along the log.
SELECT index FROM entries WHERE tenant = %(tenant)s AND received_at >= %(time)s ORDER BY index LIMIT 1
