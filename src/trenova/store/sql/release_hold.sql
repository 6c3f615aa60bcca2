UPDATE legal_holds SET release_reason = %(reason)s, released_by = %(by)s, released_at = clock_timestamp()
WHERE id = %(id)s AND released_at IS NULL
RETURNING tenant, name, released_at
