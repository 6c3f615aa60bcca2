-- These are in the log now. What was sent goes with the body: an edit is an audit entry of its own.
UPDATE dead_letters
SET stored_at = clock_timestamp(), tried_at = clock_timestamp(), attempts = attempts + 1, body = NULL, sent = NULL
WHERE id = ANY(%(ids)s::uuid[])
