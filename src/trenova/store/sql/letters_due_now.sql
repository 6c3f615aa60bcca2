-- Have parked entries tried at once: one of them, a tenant's, or all.
UPDATE dead_letters
SET next_try_at = clock_timestamp()
WHERE stored_at IS NULL
    AND (%(tenant)s::text IS NULL OR tenant = %(tenant)s)
    AND (%(id)s::uuid IS NULL OR id = %(id)s)
RETURNING id
