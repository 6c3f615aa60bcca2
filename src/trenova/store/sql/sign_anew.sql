-- Checkpoints of locked heads, for the first time or with more signatures than before. See r0009_records.sql.
SELECT sign_anew(%(tenants)s::text[], %(sizes)s::bigint[], %(notes)b::bytea[])
