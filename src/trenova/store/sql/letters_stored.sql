-- These letters are stored now. A trigger removes body and sent body: the edit itself is an audit entry.
UPDATE dead_letters AS d
SET stored_at = clock_timestamp(), tried_at = clock_timestamp(), attempts = d.attempts + 1,
    tenant = coalesce(d.tenant, part.tenant), entry_id = coalesce(d.entry_id, part.entry_id)
FROM unnest(%(ids)s::uuid[], %(tenants)s::text[], %(entry_ids)s::uuid[]) AS part (id, tenant, entry_id)
WHERE d.id = part.id
