-- The entries of these records are in the ledger: the database checks that, and sets the time.
UPDATE system_records SET appended_at = clock_timestamp() WHERE tenant = %(tenant)s AND id = ANY(%(ids)s::uuid[])
