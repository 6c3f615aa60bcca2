-- The parked entries whose next try is due, oldest first. Those that another worker is trying are its own.
SELECT id, body FROM dead_letters
WHERE stored_at IS NULL AND next_try_at <= clock_timestamp()
ORDER BY next_try_at, id
LIMIT %(limit)s
FOR UPDATE SKIP LOCKED
