-- The last entry of a log that was received before a time, found by walking back along the log.
SELECT index FROM entries WHERE tenant = %(tenant)s AND received_at < %(time)s ORDER BY index DESC LIMIT 1
