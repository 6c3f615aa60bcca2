-- The removals of a ledger, each with the entry that reports it.
SELECT r.entry_id, r.indexes, r.entries, r.bytes, r.days, r.cut_off, e.body
FROM removals AS r
LEFT JOIN entries AS e ON e.tenant = r.tenant AND e.id = r.entry_id AND e.action = 'retention.remove'
WHERE r.tenant = %(tenant)s
ORDER BY r.removed_at
