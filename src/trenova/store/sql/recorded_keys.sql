-- Every API key with its records and their entries; including keys without a record, and records without a key.
-- `young`: the entry may still be pending.
SELECT
    coalesce(k.id, r.target_id), k.id IS NOT NULL, k.role, k.tenant, encode(k.fingerprint, 'hex'), k.revoked_at IS NOT NULL,
    r.action, r.appended_at IS NULL AND r.made_at > clock_timestamp() - %(patience)s AS young, e.body
FROM api_keys AS k
FULL JOIN (SELECT * FROM system_records WHERE tenant = '_trenova' AND target_type = 'api_key') AS r ON r.target_id = k.id
LEFT JOIN entries AS e ON e.tenant = r.tenant AND e.id = r.id
ORDER BY 1, r.made_at
