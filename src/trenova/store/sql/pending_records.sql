-- What one log has yet to tell, in its order. What another worker is just appending is its own.
SELECT id, action, actor_type, actor_id, target_type, target_id, target_name, metadata::text, made_at
FROM system_records
WHERE tenant = %(tenant)s AND appended_at IS NULL
ORDER BY made_at, id
LIMIT %(limit)s
FOR UPDATE SKIP LOCKED
