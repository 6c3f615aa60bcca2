-- Put another body in the place of the parked one, and have it tried at once.
UPDATE dead_letters
SET sent = coalesce(sent, body), body = %(body)s, tenant = %(tenant)s, entry_id = %(entry_id)s,
    edited_by = %(edited_by)s, next_try_at = clock_timestamp()
WHERE id = %(id)s AND stored_at IS NULL
RETURNING id
