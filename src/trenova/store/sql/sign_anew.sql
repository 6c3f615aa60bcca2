-- Checkpoints of locked heads, for the first time or with more signatures than before. The function is in
-- r0009_records.sql.
SELECT sign_anew(%(tenants)s::text[], %(sizes)s::bigint[], %(notes)b::bytea[])
