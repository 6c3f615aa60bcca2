-- The edited dead letters of one ledger with their records and the entries of these; including letters without a
-- record, and records without a letter. `young`: the entry may still be pending.
WITH named (id) AS (
    SELECT id::text FROM dead_letters
    WHERE (edited_by IS NOT NULL OR sent IS NOT NULL) AND coalesce(tenant, '_trenova') = %(tenant)s
    UNION
    SELECT target_id FROM system_records WHERE tenant = %(tenant)s AND target_type = 'dead_letter'
)
SELECT
    n.id, d.id IS NOT NULL, coalesce(d.tenant, '_trenova') = %(tenant)s, d.edited_by,
    CASE WHEN d.stored_at IS NULL THEN encode(sha256(d.body), 'hex') END,
    r.action, r.appended_at IS NULL AND r.made_at > clock_timestamp() - %(patience)s AS young, e.body
FROM named AS n
LEFT JOIN dead_letters AS d ON d.id = CASE WHEN n.id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN n.id::uuid END
LEFT JOIN system_records AS r ON r.target_id = n.id AND r.tenant = %(tenant)s AND r.target_type = 'dead_letter'
LEFT JOIN entries AS e ON e.tenant = r.tenant AND e.id = r.id
ORDER BY n.id, r.made_at
