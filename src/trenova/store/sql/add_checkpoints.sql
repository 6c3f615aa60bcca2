-- The signed checkpoints of heads that were at `before`; returns those that were written. A checkpoint beyond its
-- head stops the append: the head was set back, and signing on from there would create a second history.
INSERT INTO checkpoints (tenant, size, note)
SELECT after.tenant, after.size, after.note
FROM unnest(%(tenants)s::text[], %(befores)s::bigint[], %(sizes)s::bigint[], %(notes)b::bytea[])
    AS after (tenant, before, size, note)
WHERE NOT EXISTS (SELECT FROM checkpoints AS c WHERE c.tenant = after.tenant AND c.size > after.before)
RETURNING tenant, size, note
