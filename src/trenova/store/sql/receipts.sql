-- What the log holds for these (tenant, id), and whether this batch put it there.
SELECT e.tenant, e.id, e.index, e.salt, e.commitment, e.body, EXISTS (
    SELECT FROM batches AS b
    WHERE b.batch_id = ANY(%(batch_ids)s::text[]) AND b.tenant = e.tenant
        AND e.index >= b.first_index AND e.index < b.first_index + b.stored
) AS by_this_batch
FROM unnest(%(tenants)s::text[], %(ids)s::uuid[]) AS asked (tenant, id)
JOIN entries AS e ON e.tenant = asked.tenant AND e.id = asked.id
