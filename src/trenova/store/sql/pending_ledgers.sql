-- The logs that have yet to tell of something.
SELECT DISTINCT tenant FROM system_records WHERE appended_at IS NULL ORDER BY tenant LIMIT %(limit)s
