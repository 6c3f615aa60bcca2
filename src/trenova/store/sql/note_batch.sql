-- Note what the batch added to each log. One that comes again, stores nothing and is already noted leaves no second note.
INSERT INTO batches (tenant, batch_id, first_index, stored, duplicate)
SELECT part.tenant, %(batch_id)s, part.first_index, part.stored, part.received - part.stored
FROM unnest(%(tenants)s::text[], %(first_indexes)s::bigint[], %(stored)s::integer[], %(received)s::integer[])
    AS part (tenant, first_index, stored, received)
WHERE part.stored > 0
    OR NOT EXISTS (SELECT FROM batches AS b WHERE b.batch_id = %(batch_id)s AND b.tenant = part.tenant)
RETURNING tenant, first_index, stored, duplicate
