-- The entries of a log that tell of its removals, and that the database itself asked for.
SELECT e.body
FROM removals AS r
JOIN entries AS e ON e.tenant = r.tenant AND e.id = r.entry_id AND e.action = 'retention.remove'
WHERE r.tenant = %(tenant)s AND e.body IS NOT NULL
