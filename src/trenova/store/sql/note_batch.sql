-- Note what the batch added to each ledger. A batch that comes again from the same run, stores nothing and is
-- already noted, leaves no second note.
INSERT INTO batches (tenant, batch_id, run_id, first_index, stored, duplicate)
SELECT part.tenant, %(batch_id)s, %(run_id)s::text, part.first_index, part.stored, part.received - part.stored
FROM unnest(%(tenants)s::text[], %(first_indexes)s::bigint[], %(stored)s::integer[], %(received)s::integer[])
    AS part (tenant, first_index, stored, received)
WHERE part.stored > 0
    OR NOT EXISTS (
        SELECT FROM batches AS b
        WHERE b.batch_id = %(batch_id)s AND b.tenant = part.tenant AND b.run_id IS NOT DISTINCT FROM %(run_id)s::text
    )
RETURNING tenant, first_index, stored, duplicate
