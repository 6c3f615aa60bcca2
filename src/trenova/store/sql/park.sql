-- Park rejected entries. A batch that comes again, because its answer was lost, parks each entry once.
INSERT INTO dead_letters (id, tenant, entry_id, batch_id, ordinal, body, code, reason, next_try_at)
SELECT part.id, part.tenant, part.entry_id, %(batch_id)s, part.ordinal, part.body, part.code, part.reason,
    clock_timestamp() + %(pause)s
FROM unnest(
    %(ids)s::uuid[], %(tenants)s::text[], %(entry_ids)s::uuid[], %(ordinals)s::integer[], %(bodies)s::bytea[],
    %(codes)s::text[], %(reasons)s::text[]
) AS part (id, tenant, entry_id, ordinal, body, code, reason)
ON CONFLICT (batch_id, ordinal) DO NOTHING
