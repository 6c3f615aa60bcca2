-- The dead letters of these batches, of one tenant or of all.
SELECT batch_id, tenant, entry_id, code, reason FROM dead_letters
WHERE batch_id = ANY(%(batch_ids)s::text[]) AND (%(tenant)s::text IS NULL OR tenant = %(tenant)s)
