-- Checkpoints of locked heads, for the first time or with more signatures than before.
INSERT INTO checkpoints (tenant, size, note)
SELECT * FROM unnest(%(tenants)s::text[], %(sizes)s::bigint[], %(notes)b::bytea[])
ON CONFLICT (tenant, size) DO UPDATE SET note = excluded.note, signed_at = excluded.signed_at
