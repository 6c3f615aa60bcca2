-- Two programs that migrate at once do so one after the other.
SELECT pg_advisory_xact_lock(%(lock)s)
