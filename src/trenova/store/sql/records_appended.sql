-- Their entries are in the log: the database looks, and gives the time.
UPDATE system_records SET appended_at = clock_timestamp() WHERE tenant = %(tenant)s AND id = ANY(%(ids)s::uuid[])
