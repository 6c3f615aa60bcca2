-- The parked entries whose next try is due, oldest first; of some only, where their ids are given. Those that another
-- worker is trying are its own.
SELECT id, body FROM dead_letters
WHERE stored_at IS NULL AND next_try_at <= clock_timestamp()
    AND (%(ids)s::uuid[] IS NULL OR id = ANY(%(ids)s::uuid[]))
ORDER BY next_try_at, id
LIMIT %(limit)s
FOR UPDATE SKIP LOCKED
