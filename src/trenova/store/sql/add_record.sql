-- A record whose entry was appended just before, in the same transaction.
INSERT INTO system_records (
    tenant, id, action, actor_type, actor_id, target_type, target_id, target_name, metadata, made_at, appended_at
)
VALUES (
    %(tenant)s, %(id)s, %(action)s, %(actor_type)s, %(actor_id)s, %(target_type)s, %(target_id)s, %(target_name)s,
    %(metadata)s::jsonb, %(made_at)s, clock_timestamp()
)
