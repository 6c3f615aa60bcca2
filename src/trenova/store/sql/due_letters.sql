-- The parked entries that are due for a retry, oldest first; only some of them, where their ids are given. Skips
-- those that another worker is retrying.
SELECT id, body FROM dead_letters
WHERE stored_at IS NULL AND next_try_at <= clock_timestamp()
    AND (%(ids)s::uuid[] IS NULL OR id = ANY(%(ids)s::uuid[]))
ORDER BY next_try_at, id
LIMIT %(limit)s
FOR UPDATE SKIP LOCKED
