-- The records of one ledger that are not appended yet, in their order. Skips those that another worker is appending.
SELECT id, action, actor_type, actor_id, target_type, target_id, target_name, metadata::text, made_at
FROM system_records
WHERE tenant = %(tenant)s AND appended_at IS NULL
ORDER BY made_at, id
LIMIT %(limit)s
FOR UPDATE SKIP LOCKED
